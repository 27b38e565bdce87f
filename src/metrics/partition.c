/* metrics/partition.c: see partition.h. A radix sort by the eight bytes of the labels, the lowest first: each pass is
 * stable, so rows stay in ascending order within a label. A byte that all labels share costs one look. */
#include "metrics/partition.h"

#include "base/memory.h"

#include <string.h>

enum {
    BINS = 256
};

/* Negative labels come first once the sign bit is turned. */
static size_t label_byte(int64_t label, int byte)
{
    return (size_t)(((uint64_t)label ^ (uint64_t)1 << 63) >> (8 * byte)) & (BINS - 1);
}

static void sort_by_byte(const int64_t *labels, size_t n, int byte, const int32_t *from, int32_t *to)
{
    size_t place[BINS + 1] = {0};
    for (size_t i = 0; i < n; i++) place[label_byte(labels[from[i]], byte) + 1]++;
    for (size_t bin = 0; bin < BINS; bin++) place[bin + 1] += place[bin];
    for (size_t i = 0; i < n; i++) to[place[label_byte(labels[from[i]], byte)]++] = from[i];
}

static int byte_differs(const int64_t *labels, size_t n, int byte)
{
    int differs = 0;
    for (size_t i = 1; i < n; i++) differs |= label_byte(labels[i], byte) != label_byte(labels[0], byte);
    return differs;
}

static void number_classes(const int64_t *labels, partition *of)
{
    for (size_t at = 0; at < of->n; at++) {
        if (at == 0 || labels[of->row[at]] != labels[of->row[at - 1]]) of->start[of->classes++] = at;
        of->code[of->row[at]] = (int32_t)(of->classes - 1);
    }
    of->start[of->classes] = of->n;
}

ne_status partition_make(ne_context *context, const int64_t *labels, size_t n, partition *to)
{
    ne_status st   = NE_OK;
    partition made = {.n = n};
    made.row       = memory_new(&context->memory, n, sizeof *made.row);
    made.code      = memory_new(&context->memory, n, sizeof *made.code);
    made.start     = memory_new(&context->memory, n + 1, sizeof *made.start);
    if (!made.row || !made.code || !made.start) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) made.row[i] = (int32_t)i;
    for (int byte = 0; byte < 8; byte++)
        if (byte_differs(labels, n, byte)) {
            sort_by_byte(labels, n, byte, made.row, made.code);
            memcpy(made.row, made.code, n * sizeof *made.row);
        }
    number_classes(labels, &made);
    *to  = made;
    made = (partition){0};
done:
    partition_clear(context, &made);
    return st;
}

void partition_clear(ne_context *context, partition *of)
{
    memory_free(&context->memory, of->row);
    memory_free(&context->memory, of->code);
    memory_free(&context->memory, of->start);
    *of = (partition){0};
}
