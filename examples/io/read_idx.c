/* io/read_idx.c: the IDX format, described on the MNIST page of LeCun, Cortes and Burges.
 *
 *     0 | 0 | type | dimensions | the size of each dimension (4 bytes, big-endian) | numbers, big-endian, C order */
#include "io/read_idx.h"

#include <string.h>

static const struct {
    unsigned char code;
    char          kind;
    unsigned char size;
} IDX_TYPES[] = {{0x08, 'u', 1}, {0x09, 'i', 1}, {0x0B, 'i', 2}, {0x0C, 'i', 4}, {0x0D, 'f', 4}, {0x0E, 'f', 8}};

enum {
    TYPES = sizeof IDX_TYPES / sizeof *IDX_TYPES,
    HEAD  = 4
};

static size_t idx_type(const bytes *file)
{
    size_t type = 0;
    while (type < TYPES && IDX_TYPES[type].code != file->data[2]) type++;
    return type;
}

int read_idx_knows(const bytes *file)
{
    return file->size >= HEAD && file->data[0] == 0 && file->data[1] == 0 && idx_type(file) < TYPES &&
           file->data[3] >= 1 && file->data[3] <= ARRAY_DIMS;
}

ne_status read_idx(const char *path, const bytes *file, array *to)
{
    if (!read_idx_knows(file))
        return ne_fail(NE_IO, "%s: not an IDX file: its first four bytes name no type and shape", path);
    const size_t type = idx_type(file), dims = file->data[3], start = HEAD + 4 * dims;
    if (file->size < start) return ne_fail(NE_IO, "%s: truncated: it ends within the IDX header", path);

    *to = (array){.data       = file->data + start,
                  .dims       = dims,
                  .kind       = IDX_TYPES[type].kind,
                  .size       = IDX_TYPES[type].size,
                  .big_endian = 1};
    for (size_t i = 0; i < dims; i++) {
        const unsigned char *at = file->data + HEAD + 4 * i;
        to->shape[i]            = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    }
    return NE_OK;
}
