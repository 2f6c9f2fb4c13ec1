/* Start of a program on QEMU's mps2-an386, a Cortex-M4 with a float unit; newlib's files go through semihosting. */
#include <stdint.h>

extern void _start(void);
extern uint32_t board_stack[];

static volatile uint32_t wraps = 0;

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define COPROCESSORS REGISTER(0xE000ED88u)

/* Ticks of the 25 MHz clock; at one instruction a nanosecond (-icount shift=0) one tick is 40 instructions. */
uint32_t replay_ticks(void)
{
    uint32_t before, value;
    do {
        before = wraps;
        value = SYSTICK_VALUE;
    } while (before != wraps);
    return (before << 24) + (0xFFFFFFu - value);
}

static void count_wrap(void)
{
    ++wraps;
}

static void start(void)
{
    COPROCESSORS |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
    SYSTICK_RELOAD = 0xFFFFFFu;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7;
    _start();
}

static void stop(void) /* a fault: the run ends by its limit of time */
{
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))board_stack, start, stop, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, count_wrap,
};
