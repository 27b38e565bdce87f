/* io/bytes.c: a whole file in memory.
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

/* Makes room for at least one more byte beside the closing 0. hint: how many bytes the file says it has. */
static int bytes_grow(bytes *file, size_t *room, size_t hint)
{
    const size_t wanted = *room ? 2 * *room : hint + 2; /* 2: the 0, and one byte that shows the end of the file */
    void        *data   = *room > SIZE_MAX / 2 ? NULL : realloc(file->data, wanted);
    if (data) {
        file->data = data;
        *room      = wanted;
    }
    return data != NULL;
}

static ne_status bytes_read_stream(const char *path, gzFile stream, size_t hint, bytes *file)
{
    size_t room = 0;
    for (;;) {
        if (room < file->size + 2 && !bytes_grow(file, &room, hint))
            return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for the file after %zu bytes", path, file->size);
        const size_t left = room - 1 - file->size;
        const int    got  = gzread(stream, file->data + file->size, left < CHUNK ? (unsigned)left : CHUNK);
        if (got <= 0) break;
        file->size += (size_t)got;
    }
    file->data[file->size] = 0;

    int         code = Z_OK;
    const char *text = gzerror(stream, &code);
    if (code == Z_ERRNO) return ne_fail(NE_IO, "%s: %s", path, strerror(errno));
    if (code == Z_BUF_ERROR) return ne_fail(NE_IO, "%s: truncated: its gzip stream ends early", path);
    const char *const reason = strstr(text, ": "); /* zlib puts its own name of the file before it */
    if (code != Z_OK && code != Z_STREAM_END)
        return ne_fail(NE_IO, "%s: not a valid gzip stream: %s", path, reason ? reason + 2 : text);
    return NE_OK;
}

ne_status bytes_read(const char *path, bytes *file)
{
    ne_status   st     = NE_OK;
    bytes       made   = {0};
    gzFile      stream = NULL;
    struct stat about;
    const int   handle = open(path, O_RDONLY | O_CLOEXEC);

    if (handle < 0 || fstat(handle, &about) != 0) {
        st = ne_fail(NE_IO, "%s: %s", path, strerror(errno));
        goto done;
    }
    if (S_ISDIR(about.st_mode)) {
        st = ne_fail(NE_IO, "%s: is a directory", path);
        goto done;
    }
    stream = gzdopen(handle, "rb");
    if (!stream) {
        st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory to open it", path);
        goto done;
    }
    st = bytes_read_stream(path, stream, S_ISREG(about.st_mode) ? (size_t)about.st_size : FIRST_GUESS, &made);
    if (st == NE_OK && made.size == 0) st = ne_fail(NE_IO, "%s: is empty", path);
    if (st == NE_OK) {
        *file = made;
        made  = (bytes){0};
    }
done:
    bytes_clear(&made);
    if (stream) gzclose(stream); /* closes the handle too */
    else if (handle >= 0) close(handle);
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
