/* io/bytes.c: a file in memory.
 *
 * The readers parse from memory: then a header that promises more than the file holds is found by one comparison, before
 * anything of the promised size is allocated. zlib's gzread passes files through that are not gzipped. */
#include "io/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    FIRST_GUESS = 1 << 16,
    CHUNK       = 1 << 26
}; /* CHUNK: gzread takes no more than an unsigned at once */

int bytes_is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *bytes_name(const char *path)
{
    return bytes_is_stdin(path) ? "standard input" : path;
}

/* Makes room for at least one more byte beside the closing 0. size: how many are wanted, SIZE_MAX for all. */
static int bytes_grow(bytes_source *from, size_t size)
{
    const size_t hint   = from->length ? from->length : FIRST_GUESS;
    const size_t first  = (size < hint ? size : hint) + 2; /* 2: the 0, and one byte that shows the end of the file */
    const size_t wanted = 2 * from->room > first ? 2 * from->room : first;
    void        *data   = from->room > SIZE_MAX / 2 ? NULL : realloc(from->file.data, wanted);
    if (!data) return 0;
    from->file.data = data;
    from->room      = wanted;
    return 1;
}

/* --- A file, gzipped or not: the kind of source that bytes_open() makes */

static int plain_read(void *stream, void *to, unsigned size)
{
    return gzread(stream, to, size);
}

static ne_status plain_check(const bytes_source *from)
{
    int         code = Z_OK;
    const char *text = gzerror(from->stream, &code);
    if (code == Z_ERRNO) return ne_fail(NE_IO, "%s: %s", from->name, strerror(errno));
    if (code == Z_BUF_ERROR) return ne_fail(NE_IO, "%s: truncated: its gzip stream ends early", from->name);
    const char *const reason = strstr(text, ": "); /* zlib puts its own name of the file before it */
    if (code != Z_OK && code != Z_STREAM_END)
        return ne_fail(NE_IO, "%s: not a valid gzip stream: %s", from->name, reason ? reason + 2 : text);
    return NE_OK;
}

static int plain_is_direct(void *stream)
{
    return gzdirect(stream) == 1;
}

static void plain_close(void *stream)
{
    gzclose(stream); /* closes the handle too */
}

static const bytes_kind PLAIN = {plain_read, plain_check, plain_is_direct, plain_close};

/* --- Any source */

ne_status bytes_more(bytes_source *from, size_t size)
{
    bytes *file  = &from->file;
    int    ended = 0;
    while (file->size < size && !ended) {
        if (from->room < file->size + 2 && !bytes_grow(from, size))
            return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for the file after %zu bytes", from->name, file->size);
        const size_t left = from->room - 1 - file->size, wanted = size - file->size < left ? size - file->size : left;
        const int    got =
            from->kind->read(from->stream, file->data + file->size, wanted < CHUNK ? (unsigned)wanted : CHUNK);
        ended = got <= 0;
        file->size += ended ? 0 : (size_t)got;
    }
    if (!file->data && !bytes_grow(from, size)) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory", from->name);
    file->data[file->size] = 0;
    file->total            = ended                                                 ? from->dropped + file->size
                             : from->length && from->kind->is_direct(from->stream) ? from->length
                                                                                   : SIZE_MAX;
    return from->kind->check(from);
}

void bytes_drop(bytes_source *from, size_t count)
{
    if (count == 0) return;
    memmove(from->file.data, from->file.data + count, from->file.size - count + 1); /* + 1: the closing 0 */
    from->file.size -= count;
    from->dropped += count;
}

int bytes_is_plain(const bytes_source *from)
{
    return from->kind == &PLAIN && from->length > 0 && plain_is_direct(from->stream);
}

int bytes_handle(const char *path)
{
    return bytes_is_stdin(path) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
}

ne_status bytes_open(const char *path, bytes_source *from)
{
    ne_status    st     = NE_OK;
    bytes_source made   = {.name = bytes_name(path), .kind = &PLAIN};
    struct stat  about  = {0};
    const int    handle = bytes_handle(path);

    if (handle < 0 || fstat(handle, &about) != 0) {
        st = ne_fail(NE_IO, "%s: %s", made.name, strerror(errno));
        goto done;
    }
    if (S_ISDIR(about.st_mode)) {
        st = ne_fail(NE_IO, "%s: is a directory", made.name);
        goto done;
    }
    made.length = S_ISREG(about.st_mode) && !bytes_is_stdin(path) ? (size_t)about.st_size : 0;
    made.stream = gzdopen(handle, "rb");
    if (!made.stream) st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory to open it", made.name);
    else *from = made;
done:
    if (!made.stream && handle >= 0) close(handle);
    return st;
}

void bytes_close(bytes_source *from)
{
    bytes_clear(&from->file);
    if (from->stream) from->kind->close(from->stream);
    from->stream = NULL;
}

ne_status bytes_read(const char *path, bytes *file)
{
    bytes_source from = {0};
    ne_status    st   = bytes_open(path, &from);
    if (st == NE_OK) st = bytes_more(&from, SIZE_MAX);
    if (st == NE_OK && from.file.size == 0) st = ne_fail(NE_IO, "%s: is empty", from.name);
    if (st == NE_OK) {
        *file     = from.file;
        from.file = (bytes){0};
    }
    bytes_close(&from);
    return st;
}

void bytes_clear(bytes *file)
{
    free(file->data);
    *file = (bytes){0};
}

static int name_ends(const char *path, size_t length, const char *extension)
{
    const size_t tail = strlen(extension);
    return length > tail && strncasecmp(path + length - tail, extension, tail) == 0;
}

int bytes_name_ends(const char *path, const char *extension)
{
    return name_ends(path, strlen(path), extension);
}

int bytes_name_ends_or_gz(const char *path, const char *extension)
{
    const size_t length = strlen(path);
    return name_ends(path, length, extension) ||
           (bytes_name_ends(path, ".gz") && name_ends(path, length - 3, extension));
}
