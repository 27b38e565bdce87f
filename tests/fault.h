/* tests/fault.h: an allocator over malloc that counts, and fails on command. */
#ifndef NE_TESTS_FAULT_H
#define NE_TESTS_FAULT_H

#include <stddef.h>
#include <stdlib.h>

typedef struct fault {
    long until;  /* so many allocations succeed, the next one fails; LONG_MAX: none does */
    int  sticky; /* and all later ones too */
    int  fired;
    long live; /* blocks not yet released */
} fault;

static inline void *fault_allocate(void *user, size_t size, size_t alignment)
{
    fault *f = (fault *)user;
    void  *block;
    if (f->until <= 0 && (f->sticky || !f->fired)) {
        f->fired = 1;
        return NULL;
    }
    if (f->until > 0) f->until--;
    block = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (block) f->live++;
    return block;
}

static inline void fault_release(void *user, void *block, size_t size, size_t alignment)
{
    (void)size;
    (void)alignment;
    ((fault *)user)->live--;
    free(block);
}

#endif
