/* io/array.c: numbers of any width and byte order, read one by one. */
#include "io/array.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int array_machine_is_big(void)
{
    const uint16_t      probe = 1;
    const unsigned char first = *(const unsigned char *)&probe;
    return first == 0;
}

ne_status array_check_size(const char *path, const array *from, size_t available, int exact)
{
    char   text[16 * ARRAY_DIMS] = "";
    size_t wanted                = from->size;
    int    overflow              = 0;
    for (size_t i = 0; i < from->dims; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, i ? " x %zu" : "%zu", from->shape[i]);
        overflow |= from->shape[i] != 0 && wanted > SIZE_MAX / from->shape[i];
        wanted = overflow ? SIZE_MAX : wanted * from->shape[i];
    }
    if (overflow) return ne_fail(NE_IO, "%s: its header says %s numbers, more than memory can address", path, text);
    if (wanted == 0) return ne_fail(NE_IO, "%s: holds no numbers: its header says %s", path, text);
    if (wanted > available)
        return ne_fail(NE_IO, "%s: truncated: its header says %s numbers of %zu bytes, %zu in all, and %zu follow",
                       path, text, from->size, wanted, available);
    if (exact && wanted < available)
        return ne_fail(NE_IO, "%s: its header says %s numbers of %zu bytes, %zu in all, and %zu follow", path, text,
                       from->size, wanted, available);
    return NE_OK;
}

size_t array_rows(const array *from)
{
    return from->shape[0];
}

size_t array_cols(const array *from)
{
    size_t cols = 1;
    for (size_t i = 1; i < from->dims; i++) cols *= from->shape[i];
    return cols;
}

int array_is_native(const array *from)
{
    return from->kind == 'f' && (from->size == 4 || from->size == 8) && !from->fortran &&
           from->big_endian == array_machine_is_big();
}

int array_fits_float(const array *from)
{
    return from->size <= 2 || (from->kind == 'f' && from->size == 4);
}

/* IEEE 754 binary16: a sign, 5 bits of exponent with bias 15, 10 of fraction. */
static double array_half(unsigned raw)
{
    const unsigned exponent = raw >> 10 & 31, fraction = raw & 1023;
    double         size = ldexp(1024 + fraction, (int)exponent - 25);
    if (exponent == 0) size = ldexp(fraction, -24);
    if (exponent == 31) size = fraction ? NAN : INFINITY;
    return raw >> 15 ? -size : size;
}

double array_number(const array *from, size_t place)
{
    const unsigned char *at  = from->data + place * from->size;
    uint64_t             raw = 0;
    for (size_t i = 0; i < from->size; i++) raw = raw << 8 | at[from->big_endian ? i : from->size - 1 - i];

    if (from->kind == 'f' && from->size == 2) return array_half((unsigned)raw);
    if (from->kind == 'f' && from->size == 4) {
        const uint32_t half = (uint32_t)raw;
        float          number;
        memcpy(&number, &half, sizeof number);
        return number;
    }
    if (from->kind == 'f') {
        double number;
        memcpy(&number, &raw, sizeof number);
        return number;
    }
    if (from->kind == 'i') {
        const uint64_t sign = (uint64_t)1 << ((8 * from->size - 1) & 63);
        return raw & sign ? -(double)((~raw & (sign - 1)) + 1) : (double)raw;
    }
    return (double)raw;
}

/* Where row i, column j of the matrix stands in the file. */
static size_t array_place(const array *from, size_t i, size_t j, size_t rows, size_t cols)
{
    return from->fortran ? j * rows + i : i * cols + j;
}

ne_status array_to_double(const char *path, const array *from, size_t row0, size_t rows, double *values)
{
    const size_t all = array_rows(from), cols = array_cols(from);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            const double number = array_number(from, array_place(from, row0 + i, j, all, cols));
            if (from->kind != 'f' && !(fabs(number) <= ARRAY_EXACT))
                return ne_fail(NE_IO,
                               "%s: row %zu, column %zu (from 0): an integer above 2^53 in size has no exact double",
                               path, from->before + row0 + i, j);
            values[i * cols + j] = number;
        }
    return NE_OK;
}

void array_to_float(const array *from, size_t row0, size_t rows, float *values)
{
    const size_t all = array_rows(from), cols = array_cols(from);
    if (from->kind == 'u' && from->size == 1 && !from->fortran) { /* images: the common case, and a large one */
        for (size_t i = 0; i < rows * cols; i++) values[i] = from->data[row0 * cols + i];
        return;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            values[i * cols + j] = (float)array_number(from, array_place(from, row0 + i, j, all, cols));
}
