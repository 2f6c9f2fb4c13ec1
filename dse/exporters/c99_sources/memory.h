/* Memory that the caller gave, handed out from its start in pieces that are aligned to 8 bytes. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

typedef struct {
    unsigned char *next;
} Memory;

#define MEMORY_ROUNDED(bytes) (((bytes) + 7u) / 8u * 8u)

static inline void *memory_take(Memory *memory, size_t bytes)
{
    void *taken = memory->next;
    memory->next += MEMORY_ROUNDED(bytes);
    return taken;
}

#endif
