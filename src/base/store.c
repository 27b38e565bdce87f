/* base/store.c: see store.h. Rows are checked and written a piece at a time, past the end of what is kept; they count
 * when all of a call are there, and after a failure the file is cut back. */
#include "base/store.h"

#include "base/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PIECE = 4 << 20 /* bytes on their way to the file */
};

static const char *default_folder(void)
{
    const char *asked = getenv("TMPDIR");
    return asked && *asked ? asked : "/var/tmp";
}

static ne_status fail_io(const store *of, const char *what, int reason)
{
    return ne_fail(NE_IO, "store: %s a file in %s: %s", what, of->folder, strerror(reason));
}

/* A name is needed for a moment only. */
static ne_status make_file(store *made)
{
    static const char pattern[] = "/ne_store_XXXXXX";
    const size_t      length    = strlen(made->folder);
    char             *path      = memory_new(made->memory, length + sizeof pattern, 1);
    ne_status         st        = NE_OK;

    if (!path) return NE_OUT_OF_MEMORY;
    memcpy(path, made->folder, length);
    memcpy(path + length, pattern, sizeof pattern);
    made->file = mkostemp(path, O_CLOEXEC);
    if (made->file < 0) st = fail_io(made, "making", errno);
    else if (unlink(path) != 0) st = fail_io(made, "unlinking", errno);
    memory_free(made->memory, path);
    return st;
}

ne_status store_open(const ne_allocator *memory, size_t d, const char *folder, store *made)
{
    const char  *where  = folder ? folder : default_folder();
    const size_t length = strlen(where) + 1;

    *made        = (store){.memory = memory, .d = d, .file = -1};
    made->piece  = PIECE / sizeof(float) / d + 1;
    made->folder = memory_new(memory, length, 1);
    made->stage  = memory_new(memory, made->piece, d * sizeof *made->stage);
    if (!made->folder || !made->stage) return NE_OUT_OF_MEMORY;
    memcpy(made->folder, where, length);
    return make_file(made);
}

static void unmap(store *with)
{
    if (with->map) munmap(with->map, with->mapped);
    with->map = NULL;
}

void store_clear(store *with)
{
    if (!with->memory) return;
    unmap(with);
    if (with->file >= 0) close(with->file);
    memory_free(with->memory, with->folder);
    memory_free(with->memory, with->stage);
    *with = (store){.file = -1};
}

/* --- Writing. */

/* count staged rows, which become rows row .. row + count - 1 of the file. */
static ne_status write_stage(const store *to, size_t row, size_t count)
{
    const size_t size = to->d * sizeof(float);
    const char  *from = (const char *)to->stage;
    size_t       left = count * size;
    off_t        at   = (off_t)(row * size);

    while (left > 0) {
        const ssize_t written = pwrite(to->file, from, left, at);
        if (written < 0 && errno != EINTR) return fail_io(to, "writing to", errno);
        if (written > 0) {
            from += written;
            at += written;
            left -= (size_t)written;
        }
    }
    return NE_OK;
}

/* Rows added by a call that failed are no rows of the store, and need no room on the disk. The map goes last: rows may
 * have come from it. */
static ne_status settle(store *to, size_t rows, ne_status st)
{
    unmap(to);
    if (st == NE_OK) to->rows = rows;
    else if (ftruncate(to->file, (off_t)(to->rows * to->d * sizeof(float))) != 0 && st == NE_IO)
        return st; /* the file is longer than need be; the reason of the failure stays the first one */
    return st;
}

static ne_status check_room(size_t rows, size_t more)
{
    return more <= INT32_MAX && rows <= INT32_MAX - more
               ? NE_OK
               : ne_fail(NE_INVALID_ARGUMENT, "rows: %zu after %zu are above 2147483647", more, rows);
}

ne_status store_append(store *to, const ne_dense *rows)
{
    const size_t bytes = view_row_bytes(rows);
    ne_status    st    = view_check_finite_f32_from(rows, "rows", to->rows);
    if (st == NE_OK) st = check_room(to->rows, rows->rows);
    if (st != NE_OK) return st;
    for (size_t i = 0; i < rows->rows && st == NE_OK; i += to->piece) {
        ne_dense part = *rows;
        part.data     = (char *)rows->data + i * bytes;
        part.rows     = rows->rows - i < to->piece ? rows->rows - i : to->piece;
        view_read_f32(&part, to->stage);
        st = write_stage(to, to->rows + i, part.rows);
    }
    return settle(to, to->rows + rows->rows, st);
}

ne_status store_read(store *to, ne_reader_fn read, void *user)
{
    size_t    more = 0, count = 1;
    ne_status st = NE_OK;

    while (st == NE_OK && count > 0) {
        ne_dense block = view_of_f32(to->stage, to->piece, to->d);
        count          = 0;
        if ((st = read(user, more, &block, &count)) != NE_OK || count == 0) break;
        if (count > to->piece) {
            st = ne_fail(NE_INVALID_ARGUMENT, "count: %zu rows, the block holds %zu", count, to->piece);
            break;
        }
        block = view_of_f32(to->stage, count, to->d); /* the reader may have changed it */
        if ((st = view_check_finite_f32_from(&block, "rows", to->rows + more)) != NE_OK) break;
        if ((st = check_room(to->rows + more, count)) != NE_OK) break;
        st = write_stage(to, to->rows + more, count);
        more += count;
    }
    return settle(to, to->rows + more, st);
}

/* --- Reading. */

ne_status store_view(store *from, ne_dense *view)
{
    const size_t bytes = from->rows * from->d * sizeof(float);
    if (!from->rows) return ne_fail(NE_INVALID_ARGUMENT, "store: it has no rows");
    if (!from->map) {
        void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from->file, 0);
        if (map == MAP_FAILED) return fail_io(from, "mapping", errno);
        from->map    = map;
        from->mapped = bytes;
    }
    *view       = view_of_f32(from->map, from->rows, from->d);
    view->place = NE_MAPPED;
    return NE_OK;
}
