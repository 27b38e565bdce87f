/* io/outfile.h: a file that is there whole or not at all: written beside its place, then renamed into it. */
#ifndef IO_OUTFILE_H
#define IO_OUTFILE_H

#include "ne.h"

#include <stdio.h>

typedef struct outfile {
    FILE *file;      /* to write to; NULL once closed */
    char *path;      /* where it goes, links followed */
    char *temporary; /* where it is until then */
} outfile;

/** Makes the temporary file. An outfile that was never opened, {0}, may be closed, committed and dropped.
 *  errors   NE_IO with the reason. */
ne_status outfile_open(const char *path, outfile *out);
/** Flushes and closes: what did not fit the disk is known after this. */
ne_status outfile_close(outfile *out);
/** Puts the closed file in its place. */
ne_status outfile_commit(outfile *out);
/** Removes what was not committed. */
void outfile_drop(outfile *out);

/** Tells before a long computation whether path can be written. */
ne_status outfile_probe(const char *path);

#endif
