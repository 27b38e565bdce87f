/* io/stream.c: a file mapped, or block by block into a store. */
#include "io/stream.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCK_NUMBERS = 1 << 19, /* of a block, unless a row has more */
    LONG_BLOCKS   = 32       /* so many times more where the file lies by columns: a piece of a column is then pages */
};

ne_status stream_append(const char *path, ne_store *store, const ne_dense *rows)
{
    char      text[512];
    ne_status st = ne_store_append(store, rows);
    if (st == NE_OK) return st;
    snprintf(text, sizeof text, "%s", ne_last_error());
    return ne_fail(st == NE_INVALID_ARGUMENT ? NE_IO : st, "%s: %s", path, text);
}

ne_status stream_show(table *of)
{
    ne_dense        view = {.struct_size = sizeof view};
    const ne_status st   = ne_store_view(of->store, &view);
    if (st != NE_OK) return st;
    of->rows   = view.rows;
    of->cols   = view.cols;
    of->dtype  = view.dtype;
    of->place  = view.place;
    of->values = view.data;
    return st;
}

void stream_clear(table *of)
{
    if (of->map) munmap(of->map, of->map_size);
    ne_store_free(of->store);
    of->map   = NULL;
    of->store = NULL;
}

static size_t block_rows(size_t rows, size_t cols, size_t numbers)
{
    const size_t fit = numbers / cols ? numbers / cols : 1;
    return fit < rows ? fit : rows;
}

static ne_status stream_blocks(const char *path, ne_store *store, size_t rows, size_t cols, int32_t dtype, size_t block,
                               stream_fill_fn fill, const void *user)
{
    const size_t size = dtype == NE_F64 ? sizeof(double) : sizeof(float);
    void        *room = block > SIZE_MAX / size / cols ? NULL : malloc(block * cols * size);
    ne_status    st   = room ? NE_OK : ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu numbers", path, cols);
    for (size_t row = 0; row < rows && st == NE_OK; row += block) {
        const size_t   count = rows - row < block ? rows - row : block;
        const ne_dense view  = {.struct_size = sizeof view, .data = room, .rows = count, .cols = cols, .dtype = dtype};
        st                   = fill(user, row, count, room);
        if (st == NE_OK) st = stream_append(path, store, &view);
    }
    free(room);
    return st;
}

/* The store takes the place of what the table had. */
static ne_status stream_finish(ne_status st, ne_store *store, table *to)
{
    if (st == NE_OK) {
        stream_clear(to);
        to->store = store;
        st        = stream_show(to);
    } else {
        ne_store_free(store);
    }
    return st;
}

ne_status stream_rows(const char *path, ne_context *context, size_t rows, size_t cols, int32_t dtype,
                      stream_fill_fn fill, const void *user, table *to)
{
    ne_store *store = NULL;
    ne_status st    = ne_store_create(context, cols, NULL, &store);
    if (st == NE_OK)
        st = stream_blocks(path, store, rows, cols, dtype, block_rows(rows, cols, BLOCK_NUMBERS), fill, user);
    return stream_finish(st, store, to);
}

/* --- Arrays */

typedef struct array_stream {
    const char   *path;
    bytes_source *source; /* to be read on; NULL: the numbers are all there */
    array         of;
    size_t        rows;
    int32_t       dtype;
} array_stream;

static ne_status array_convert(const char *path, const array *from, size_t row0, size_t rows, int32_t dtype, void *to)
{
    if (dtype == NE_F64) return array_to_double(path, from, row0, rows, to);
    array_to_float(from, row0, rows, to);
    return NE_OK;
}

static ne_status mapped_fill(const void *user, size_t row0, size_t rows, void *values)
{
    const array_stream *of = user;
    return array_convert(of->path, &of->of, row0, rows, of->dtype, values);
}

/* The next rows of a pipe, or of what is unpacked as it is read. */
static ne_status piped_fill(const void *user, size_t row0, size_t rows, void *values)
{
    const array_stream *of     = user;
    bytes_source       *source = of->source;
    array               block  = of->of;
    const size_t        wanted = rows * array_cols(&block) * block.size;
    ne_status           st     = bytes_more(source, wanted);
    if (st != NE_OK) return st;
    if (source->file.size < wanted)
        return ne_fail(NE_IO, "%s: truncated: its header says %zu rows, and it ends in row %zu (from 0)", of->path,
                       array_rows(&of->of), row0 + source->file.size / (array_cols(&block) * block.size));
    block.data     = source->file.data;
    block.shape[0] = rows;
    block.before   = row0;
    st             = array_convert(of->path, &block, 0, rows, of->dtype, values);
    bytes_drop(source, wanted);
    return st;
}

static ne_status stream_map(const char *path, const bytes_source *source, table *to)
{
    const int handle = bytes_handle(path);
    if (handle < 0) return ne_fail(NE_IO, "%s: %s", source->name, strerror(errno));
    void *const map = mmap(NULL, source->length, PROT_READ, MAP_SHARED, handle, 0);
    ne_status st = map != MAP_FAILED ? NE_OK : ne_fail(NE_IO, "%s: can't be mapped: %s", source->name, strerror(errno));
    if (st == NE_OK) {
        to->map      = map;
        to->map_size = source->length;
    }
    close(handle);
    return st;
}

static ne_status stream_mapped(array_stream *of, ne_context *context, size_t start, table *to)
{
    ne_store    *store = NULL;
    const size_t cols = array_cols(&of->of), numbers = of->of.fortran ? BLOCK_NUMBERS * LONG_BLOCKS : BLOCK_NUMBERS;
    ne_status    st = NE_OK;
    of->of.data     = (const unsigned char *)to->map + start;
    if (array_is_native(&of->of) && start % of->of.size == 0) {
        to->rows   = of->rows;
        to->cols   = cols;
        to->dtype  = of->of.size == 8 ? NE_F64 : NE_F32;
        to->place  = NE_MAPPED;
        to->values = (unsigned char *)to->map + start;
        return NE_OK;
    }
    st = ne_store_create(context, cols, NULL, &store);
    if (st == NE_OK)
        st = stream_blocks(of->path, store, of->rows, cols, of->dtype, block_rows(of->rows, cols, numbers), mapped_fill,
                           of);
    return stream_finish(st, store, to);
}

ne_status stream_array(const char *path, bytes_source *source, const array *from, ne_context *context, table *to)
{
    const size_t start = (size_t)(from->data - source->file.data);
    array_stream of    = {
           .path = source->name, .of = *from, .rows = to->rows, .dtype = array_fits_float(from) ? NE_F32 : NE_F64};
    ne_status st = NE_OK;
    if (bytes_is_plain(source)) {
        st = stream_map(path, source, to);
        return st == NE_OK ? stream_mapped(&of, context, start, to) : st;
    }
    if (from->fortran)
        return ne_fail(NE_UNSUPPORTED,
                       "%s: --stream: Fortran order can be read of a .npy file only, neither of a pipe nor of what is "
                       "packed; save it in C order",
                       source->name);
    of.source = source;
    bytes_drop(source, start);
    st = stream_rows(source->name, context, of.rows, array_cols(from), of.dtype, piped_fill, &of, to);
    if (st == NE_OK && of.rows == array_rows(from)) {
        st = bytes_more(source, 1);
        if (st == NE_OK && source->file.size > 0)
            st = ne_fail(NE_IO, "%s: its header says %zu rows, and more bytes follow", source->name, of.rows);
    }
    return st;
}
