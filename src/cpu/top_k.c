/* cpu/top_k.c: see top_k.h. Selection is Hoare's quickselect with the median of three as pivot; a list has some hundred
 * entries. Most offered values are above the limit, so the offers compare eight values at a time and look closer only
 * at groups with a hit. */
#include "cpu/top_k.h"

#include "base/clones.h"
#include "cpu/x86/top_k_avx2.h"

#include <math.h>

ne_status top_k_create(const ne_allocator *mem, size_t rows, size_t keep, top_k *made)
{
    const size_t room = keep + TOP_K_SLACK;
    ne_status    st   = NE_OK;
    *made             = (top_k){.rows = rows, .keep = keep, .room = room};
    made->key         = memory_new(mem, rows, room * sizeof *made->key);
    made->count       = memory_new(mem, rows, sizeof *made->count);
    made->limit       = memory_new(mem, rows, sizeof *made->limit);
    if (made->key && made->count && made->limit) top_k_reset(made, 0, rows);
    else st = NE_OUT_OF_MEMORY;
    return st;
}

double top_k_bytes(double rows, double keep)
{
    return rows * ((keep + TOP_K_SLACK) * sizeof(uint64_t) + sizeof(uint32_t) + sizeof(float));
}

void top_k_clear(const ne_allocator *mem, top_k *lists)
{
    memory_free(mem, lists->key);
    memory_free(mem, lists->count);
    memory_free(mem, lists->limit);
    *lists = (top_k){0};
}

void top_k_reset(top_k *lists, size_t row0, size_t row1)
{
    for (size_t i = row0; i < row1; i++) {
        lists->count[i] = 0;
        lists->limit[i] = INFINITY;
    }
}

enum {
    SPARE = 4224 /* as many keys as there may be cells of a search; of more the portable partition takes care */
};

static uint64_t middle_of(const uint64_t *key, size_t low, size_t high)
{
    const uint64_t a = key[low], b = key[low + (high - low) / 2], c = key[high];
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/* Every key is moved, smaller or not (Lomuto's scheme): there is no branch to guess wrong, and half of the guesses
 * would be. */
size_t top_k_partition_portable(uint64_t *key, size_t count, uint64_t pivot)
{
    size_t store = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t moved = key[i];
        key[i]               = key[store];
        key[store]           = moved;
        store += moved < pivot;
    }
    return store;
}

/* Splits key[low..high], low < high, at a middle value: returns the start of the upper part, none of which is below any
 * of the lower part; both have entries, as keys differ. */
static size_t partition(uint64_t *key, size_t low, size_t high)
{
    const size_t   count = high - low + 1;
    const uint64_t pivot = middle_of(key, low, high);
    uint64_t       spare[SPARE];
    if (count + 4 <= SPARE && x86_top_k_works()) return low + x86_partition(key + low, count, pivot, spare);
    return low + top_k_partition_portable(key + low, count, pivot);
}

static void insertion_sort(uint64_t *key, size_t low, size_t high)
{
    for (size_t i = low + 1; i <= high; i++) {
        const uint64_t moved = key[i];
        size_t         j     = i;
        for (; j > low && key[j - 1] > moved; j--) key[j] = key[j - 1];
        key[j] = moved;
    }
}

void top_k_select(uint64_t *key, size_t count, size_t keep)
{
    size_t low = 0, high = count - 1;
    while (high - low > 16) {
        const size_t middle = partition(key, low, high);
        if (keep == middle) return;
        if (keep < middle) high = middle - 1;
        else low = middle;
    }
    insertion_sort(key, low, high);
}

void top_k_sort(uint64_t *key, size_t count)
{
    while (count > 24) { /* the smaller part by recursion, so that the stack stays shallow */
        const size_t middle = partition(key, 0, count - 1);
        if (middle < count - middle) {
            top_k_sort(key, middle);
            key += middle;
            count -= middle;
        } else {
            top_k_sort(key + middle, count - middle);
            count = middle;
        }
    }
    if (count) insertion_sort(key, 0, count - 1);
}

void top_k_shrink(top_k *lists, size_t row)
{
    uint64_t *key = lists->key + row * lists->room;
    if (lists->count[row] > lists->keep) {
        top_k_select(key, lists->count[row], lists->keep);
        lists->count[row] = (uint32_t)lists->keep;
    }
    if (lists->count[row] == lists->keep) {
        uint64_t largest = key[0];
        for (size_t i = 1; i < lists->keep; i++) largest = key[i] > largest ? key[i] : largest;
        lists->limit[row] = top_k_value(largest);
    }
}

NE_CLONES static float top_k_minimum(const float *value, size_t count)
{
    enum {
        LANES = 32
    };
    float        least[LANES];
    const size_t whole = count / LANES * LANES;
    for (size_t l = 0; l < LANES; l++) least[l] = INFINITY;
    for (size_t j = 0; j < whole; j += LANES)
        for (size_t l = 0; l < LANES; l++) least[l] = value[j + l] < least[l] ? value[j + l] : least[l];
    for (size_t l = 0; l < count - whole; l++) least[l] = value[whole + l] < least[l] ? value[whole + l] : least[l];
    for (size_t l = 1; l < LANES; l++) least[0] = least[l] < least[0] ? least[l] : least[0];
    return least[0];
}

size_t top_k_least(const float *value, size_t count)
{
    const float least = top_k_minimum(value, count);
    size_t      at    = 0;
    while (at + 1 < count && value[at] > least) at++;
    return at;
}

enum {
    GROUP = 8
};

void top_k_offer_row_portable(top_k *lists, size_t row, const float *value, const float *add, size_t count,
                              uint32_t first)
{
    for (size_t j = 0; j < count; j += GROUP) {
        const size_t width = count - j < GROUP ? count - j : GROUP;
        int          hits  = 0;
        for (size_t l = 0; l < width; l++) hits |= value[j + l] + add[j + l] <= lists->limit[row];
        for (size_t l = 0; l < width && hits; l++) {
            const float offered = value[j + l] + add[j + l];
            if (offered <= lists->limit[row]) top_k_push(lists, row, offered, first + (uint32_t)(j + l));
        }
    }
}

void top_k_offer_column_portable(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id)
{
    for (size_t j = 0; j < count; j++)
        if (value[j] + add <= lists->limit[row0 + j]) top_k_push(lists, row0 + j, value[j] + add, id);
}

void top_k_offer_row(top_k *lists, size_t row, const float *value, const float *add, size_t count, uint32_t first)
{
    if (x86_top_k_works()) x86_offer_row(lists, row, value, add, count, first);
    else top_k_offer_row_portable(lists, row, value, add, count, first);
}

void top_k_offer_column(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id)
{
    if (x86_top_k_works()) x86_offer_column(lists, row0, value, add, count, id);
    else top_k_offer_column_portable(lists, row0, value, add, count, id);
}
