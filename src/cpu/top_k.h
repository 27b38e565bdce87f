/* cpu/top_k.h: the k smallest of a stream of (value, id), for many rows at once.
 *
 * An entry is one 64-bit integer, the value's bits above the id, so that integer order is the order of (value, id) and
 * ties go to the smaller id. A row's list takes entries up to its limit until its room is full, and then shrinks to the
 * smallest `keep`; the largest of those becomes the limit. What is kept at the end depends on the set of entries that
 * were offered, not on their order: blocks may be visited in any order, and in parallel where they touch different
 * rows. */
#ifndef NE_CPU_TOP_K_H
#define NE_CPU_TOP_K_H

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

enum {
    TOP_K_SLACK = 64
}; /* room beyond keep: a shrink costs about 1 ns an entry, and then this many are free */

typedef struct top_k {
    size_t    rows, keep, room;
    uint64_t *key;   /* rows x room */
    uint32_t *count; /* rows */
    float    *limit; /* rows: what is greater has no chance */
} top_k;

/* errors: NE_OUT_OF_MEMORY. Clear a failed one too. */
ne_status top_k_create(const ne_allocator *mem, size_t rows, size_t keep, top_k *made);
void      top_k_clear(const ne_allocator *mem, top_k *lists);
/* What it takes, for estimates. */
double top_k_bytes(double rows, double keep);
/* All lists empty, without a limit. */
void top_k_reset(top_k *lists, size_t row0, size_t row1);

/* Offer value[j] + add[j] with id first + j, for j in [0, count), to one row. NaN is never taken. */
void top_k_offer_row(top_k *lists, size_t row, const float *value, const float *add, size_t count, uint32_t first);
/* Offer value[j] + add with one id to row row0 + j, for j in [0, count). */
void top_k_offer_column(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id);

/* Leave the `keep` smallest, in no order. */
void top_k_shrink(top_k *lists, size_t row);
/* Ascending. */
void top_k_sort(uint64_t *key, size_t count);
/* The `keep` smallest of count entries come first, in no order; keep < count. */
void top_k_select(uint64_t *key, size_t count, size_t keep);

/* What the above rest on where there is no AVX2; here for the tests. A partition puts the keys below pivot first, and
 * returns how many they are. */
void   top_k_offer_row_portable(top_k *lists, size_t row, const float *value, const float *add, size_t count,
                                uint32_t first);
void   top_k_offer_column_portable(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id);
size_t top_k_partition_portable(uint64_t *key, size_t count, uint64_t pivot);

/* The place of the smallest of count values, the first of equal ones; count > 0. */
size_t top_k_least(const float *value, size_t count);

static inline uint64_t top_k_key(float value, uint32_t id)
{
    uint32_t bits;
    value += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    bits ^= bits >> 31 ? 0xFFFFFFFFu : 0x80000000u;
    return (uint64_t)bits << 32 | id;
}

static inline float top_k_value(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float    value;
    bits ^= bits >> 31 ? 0x80000000u : 0xFFFFFFFFu;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t top_k_id(uint64_t key)
{
    return (uint32_t)key;
}

static inline void top_k_push(top_k *lists, size_t row, float value, uint32_t id)
{
    lists->key[row * lists->room + lists->count[row]++] = top_k_key(value, id);
    if (lists->count[row] == lists->room) top_k_shrink(lists, row);
}

#endif
