/* base/memory.c: see memory.h. Each block is preceded by one cache line that holds its size.
 *
 * Large blocks ask for huge pages, where the system gives them to those that ask: they are filled with a five-hundredth of
 * the page faults, and streams over them, such as the edges of a step, do not wait for addresses to be translated. Only
 * whole huge pages inside the block are asked for, so that a block which is written in full takes no more memory. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT  = 64,
    HUGE_PAGE  = 1 << 21,
    HUGE_LEAST = 4 * HUGE_PAGE
};

static void *default_allocate(void *user, size_t size, size_t alignment)
{
    const size_t place = size < HUGE_LEAST ? alignment : HUGE_PAGE;
    void        *block = NULL;
    (void)user;
    if (size <= SIZE_MAX - place) block = aligned_alloc(place, (size + place - 1) / place * place);
#ifdef MADV_HUGEPAGE
    if (block && place == HUGE_PAGE) (void)madvise(block, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return block;
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
