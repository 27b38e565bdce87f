/* io/bytes.h: a file in memory, all of it or its beginning, unpacked when it is gzipped. */
#ifndef IO_BYTES_H
#define IO_BYTES_H

#include "ne.h"

typedef struct bytes {
    unsigned char *data; /* size bytes and a closing 0, so that text may be read as a string */
    size_t         size;
    size_t         total; /* of the whole file, of which size bytes were read; SIZE_MAX: not known yet */
} bytes;

/** Reads the file at path, or standard input for "-". What a file holds decides whether it is gzipped, not its name.
 *  errors   NE_IO with the reason; NE_OUT_OF_MEMORY. */
ne_status bytes_read(const char *path, bytes *file);
void      bytes_clear(bytes *file);

/** The same in pieces, for a file of which only the beginning is wanted. */
typedef struct bytes_source {
    const char *name;   /* of the file, for error texts */
    void       *stream; /* zlib's */
    size_t      length; /* of the file on the disk; 0: not a regular one */
    size_t      room;   /* in file.data */
    bytes       file;
} bytes_source;

ne_status bytes_open(const char *path, bytes_source *from);
/** Reads on until from->file has `size` bytes, or ends. */
ne_status bytes_more(bytes_source *from, size_t size);
/** Closes, and frees what is left in from->file. */
void bytes_close(bytes_source *from);

/** How error texts call a file: its path, or "standard input". */
const char *bytes_name(const char *path);
int         bytes_is_stdin(const char *path);

/** 1 when path ends in extension (".csv"), in letters of either case; of the second, when a ".gz" may follow. */
int bytes_name_ends(const char *path, const char *extension);
int bytes_name_ends_or_gz(const char *path, const char *extension);

#endif
