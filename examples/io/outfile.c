/* io/outfile.c: temporary file and rename(), which POSIX makes atomic within a directory. */
#include "io/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char SUFFIX[] = ".XXXXXX";

ne_status outfile_open(const char *path, outfile *out)
{
    ne_status   st     = NE_OK;
    outfile     made   = {0};
    int         handle = -1;
    struct stat about;
    const int   there = stat(path, &about) == 0;

    if (!*path) {
        st = ne_fail(NE_IO, "the name of a file to write is empty");
        goto done;
    }
    if (there && !S_ISREG(about.st_mode)) {
        st = ne_fail(NE_IO, "%s: %s", path, S_ISDIR(about.st_mode) ? "is a directory" : "is not a regular file");
        goto done;
    }
    if (there && access(path, W_OK) != 0) { /* rename() would replace it all the same */
        st = ne_fail(NE_IO, "%s: %s", path, strerror(errno));
        goto done;
    }
    made.path = there ? realpath(path, NULL) : strdup(path); /* a link stays, and what it points to is replaced */
    const size_t length = made.path ? strlen(made.path) : 0;
    made.temporary      = length ? malloc(length + sizeof SUFFIX) : NULL;
    if (!made.temporary) {
        st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for its name", path);
        goto done;
    }
    memcpy(made.temporary, made.path, length);
    memcpy(made.temporary + length, SUFFIX, sizeof SUFFIX);
    handle = mkstemp(made.temporary);
    if (handle < 0) {
        st = ne_fail(NE_IO, "%s: %s", path, strerror(errno));
        free(made.temporary);
        made.temporary = NULL;
        goto done;
    }
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(handle, there ? about.st_mode & 0777 : 0666 & ~mask); /* mkstemp gives 0600 */
    made.file = fdopen(handle, "wb");
    if (!made.file) {
        st = ne_fail(NE_IO, "%s: %s", path, strerror(errno));
        close(handle);
        goto done;
    }
    *out = made;
    made = (outfile){0};
done:
    outfile_drop(&made);
    return st;
}

ne_status outfile_close(outfile *out)
{
    ne_status st = NE_OK;
    if (!out->file) return st;
    const int failed = ferror(out->file) || fflush(out->file) != 0 || fsync(fileno(out->file)) != 0;
    const int reason = errno ? errno : EIO; /* the first failure left it, and success does not change it */
    if (fclose(out->file) != 0 || failed) st = ne_fail(NE_IO, "%s: %s", out->path, strerror(failed ? reason : errno));
    out->file = NULL;
    return st;
}

ne_status outfile_commit(outfile *out)
{
    ne_status st = outfile_close(out);
    if (st == NE_OK && out->temporary && rename(out->temporary, out->path) != 0)
        st = ne_fail(NE_IO, "%s: %s", out->path, strerror(errno));
    if (st == NE_OK) {
        free(out->temporary);
        out->temporary = NULL;
    }
    return st;
}

void outfile_drop(outfile *out)
{
    if (out->file) fclose(out->file);
    if (out->temporary) unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (outfile){0};
}

ne_status outfile_probe(const char *path)
{
    outfile         out = {0};
    const ne_status st  = outfile_open(path, &out);
    outfile_drop(&out);
    return st;
}
