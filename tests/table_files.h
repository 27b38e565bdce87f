/* table_files.h: small files of each kind, and the table that is read from them. */
#ifndef TABLE_FILES_H
#define TABLE_FILES_H

#include "folder.h"
#include "io/table.h"

#include <zlib.h>

static table got;

static inline void open_all(void)
{
    folder_open();
    got = (table){0};
}

static inline void close_all(void)
{
    table_clear(&got);
    folder_close();
}

static inline const char *put_gz(const char *name, const void *data, size_t size)
{
    const char *path = at(name);
    gzFile      file = gzopen(path, "wb");
    ck_assert_int_eq(gzwrite(file, data, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

static const unsigned char NPY[8] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

static const unsigned char IDX[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40, 50, 255};

/* A .npy file, version 1: the dictionary as given, then the numbers. */
static inline size_t make_npy(unsigned char *to, const char *header, const void *data, size_t size)
{
    const size_t length = strlen(header);
    memcpy(to, NPY, sizeof NPY);
    to[6] = 1;
    to[8] = (unsigned char)(length & 255);
    to[9] = (unsigned char)(length >> 8);
    for (size_t i = 0; i < length; i++) to[10 + i] = (unsigned char)header[i];
    if (size) memcpy(to + 10 + length, data, size);
    return 10 + length + size;
}

static inline const char *put_npy(const char *name, const char *header, const void *data, size_t size)
{
    unsigned char file[4096];
    return put(name, file, make_npy(file, header, data, size));
}

static inline ne_status take(const char *path)
{
    table_clear(&got);
    return table_read(path, &(table_request){0}, &got);
}

static inline double value(size_t i, size_t j)
{
    const size_t place = i * got.cols + j;
    return got.dtype == NE_F64 ? ((double *)got.values)[place] : (double)((float *)got.values)[place];
}

static inline ne_status take_with(const char *path, table_request request)
{
    table_clear(&got);
    return table_read(path, &request, &got);
}

/* The table is sparse, with these numbers; entries: how many it has, zeros that are written among them. */
static inline void check_sparse(size_t rows, size_t cols, size_t entries, const double *want)
{
    double wide[64];
    float  narrow[64];
    ck_assert_uint_eq(got.rows, rows);
    ck_assert_uint_eq(got.cols, cols);
    ck_assert_uint_eq(got.sparse.rows, rows);
    ck_assert_ptr_null(got.values);
    ck_assert_uint_eq((size_t)got.sparse.start[rows], entries);
    sparse_fill(&got.sparse, 0, rows, got.sparse.dtype == NE_F64 ? (void *)wide : (void *)narrow);
    for (size_t k = 0; k < rows * cols; k++)
        ck_assert_double_eq(got.sparse.dtype == NE_F64 ? wide[k] : (double)narrow[k], want[k]);
    for (size_t i = 0; i < rows; i++)
        for (int64_t k = got.sparse.start[i] + 1; k < got.sparse.start[i + 1]; k++)
            ck_assert_int_lt(got.sparse.col[k - 1], got.sparse.col[k]);
}

static inline void check_table(size_t rows, size_t cols, const double *want)
{
    ck_assert_uint_eq(got.rows, rows);
    ck_assert_uint_eq(got.cols, cols);
    for (size_t k = 0; k < rows * cols; k++) ck_assert_double_eq(value(k / cols, k % cols), want[k]);
}

#endif
