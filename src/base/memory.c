/* base/memory.c: see memory.h. Each block is preceded by one cache line that holds its size. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64
};

static void *default_allocate(void *user, size_t size, size_t alignment)
{
    (void)user;
    return size > SIZE_MAX - alignment ? NULL
                                       : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void default_release(void *user, void *block, size_t size, size_t alignment)
{
    (void)user;
    (void)size;
    (void)alignment;
    free(block);
}

const ne_allocator memory_default = {default_allocate, default_release, NULL};

void *memory_new(const ne_allocator *mem, size_t count, size_t size)
{
    unsigned char *block = NULL;
    if (size && count > (SIZE_MAX / 2 - ALIGNMENT) / size) {
        ne_fail(NE_OUT_OF_MEMORY, "memory: %zu elements of %zu bytes are more than an address can reach", count, size);
    } else {
        const size_t bytes = count * size + ALIGNMENT;
        block              = mem->allocate(mem->user, bytes, ALIGNMENT);
        if (block) {
            memcpy(block, &bytes, sizeof bytes);
            block += ALIGNMENT;
        } else {
            ne_fail(NE_OUT_OF_MEMORY, "memory: no block of %zu bytes", bytes);
        }
    }
    return block;
}

void *memory_zero(const ne_allocator *mem, size_t count, size_t size)
{
    void *block = memory_new(mem, count, size);
    if (block) memset(block, 0, count * size);
    return block;
}

void memory_free(const ne_allocator *mem, void *block)
{
    if (block) {
        unsigned char *start = (unsigned char *)block - ALIGNMENT;
        size_t         bytes;
        memcpy(&bytes, start, sizeof bytes);
        mem->release(mem->user, start, bytes, ALIGNMENT);
    }
}
