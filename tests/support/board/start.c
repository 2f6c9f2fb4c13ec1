/* Start of a program on QEMU's mps2-an386, a Cortex-M4 with its floating-point unit; files by semihosting. */
#include <stdint.h>

extern uint32_t stack_top;
extern void _start(void);
void start(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {&stack_top, (void *)start};

void start(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* the floating-point unit */
    __asm volatile("dsb\n isb\n");
    _start();
    for (;;) {
    }
}
