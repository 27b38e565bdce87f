/* io/bytes.h: a whole file in memory, unpacked when it is gzipped. */
#ifndef IO_BYTES_H
#define IO_BYTES_H

#include "ne.h"

typedef struct bytes {
    unsigned char *data; /* size bytes and a closing 0, so that text may be read as a string */
    size_t         size;
} bytes;

/** Reads the file at path. What a file holds decides whether it is gzipped, not its name.
 *  errors   NE_IO with the reason; NE_OUT_OF_MEMORY. */
ne_status bytes_read(const char *path, bytes *file);
void      bytes_clear(bytes *file);

/** 1 when path ends in extension (".csv"), in letters of either case; of the second, when a ".gz" may follow. */
int bytes_name_ends(const char *path, const char *extension);
int bytes_name_ends_or_gz(const char *path, const char *extension);

#endif
