/* metrics/partition.h: rows grouped by their label.
 *
 * Classes are numbered in the order of their labels, whatever numbers those are, and rows ascend within a class. */
#ifndef NE_METRICS_PARTITION_H
#define NE_METRICS_PARTITION_H

#include "base/context.h"

typedef struct partition {
    size_t   n, classes;
    int32_t *row;   /* n: the rows of class 0, then those of class 1, ... */
    int32_t *code;  /* n: the class of each row */
    size_t  *start; /* classes + 1: where each class begins in row */
} partition;

/* n of [1, INT32_MAX] labels. O(n) time. partition_clear() takes an empty one too. */
ne_status partition_make(ne_context *context, const int64_t *labels, size_t n, partition *to);
void      partition_clear(ne_context *context, partition *of);

#endif
