/* io/read_array.c: .npy or IDX, whichever the file is. */
#include "io/read_array.h"
#include "io/read_idx.h"
#include "io/read_npy.h"

#include <stdint.h>

int read_array_knows(const char *path, const bytes *file)
{
    return read_npy_knows(file) || read_idx_knows(file) || bytes_name_ends_or_gz(path, ".npy");
}

ne_status read_array(const char *path, const bytes *file, array *to)
{
    ne_status st = read_idx_knows(file) ? read_idx(path, file, to) : read_npy(path, file, to);
    if (st == NE_OK && file->total != SIZE_MAX)
        st = array_check_size(path, to, file->total - (size_t)(to->data - file->data), 1);
    return st;
}

size_t read_array_size(const bytes *file, const array *of, size_t rows)
{
    const size_t start = (size_t)(of->data - file->data);
    size_t       size  = of->size;
    if (of->fortran || rows >= of->shape[0]) return SIZE_MAX;
    for (size_t i = 0; i < of->dims; i++) {
        const size_t count = i == 0 ? rows : of->shape[i];
        if (count && size > (SIZE_MAX - start) / count) return SIZE_MAX;
        size *= count;
    }
    return start + size;
}
