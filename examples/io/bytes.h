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

/** The same in pieces: for a file of which only the beginning is wanted, or that is used up as it is read. */
typedef struct bytes_source {
    const char              *name;    /* of the file, for error texts */
    const struct bytes_kind *kind;    /* how it is read */
    void                    *stream;  /* for its functions */
    size_t                   length;  /* of the file on the disk; 0: not a regular one */
    size_t                   room;    /* in file.data */
    size_t                   dropped; /* bytes that stood before file.data */
    bytes                    file;
} bytes_source;

/** A file, or a member of an archive. */
typedef struct bytes_kind {
    int (*read)(void *stream, void *to, unsigned size); /* how many bytes: 0 at the end, -1 on an error */
    ne_status (*check)(const bytes_source *from);       /* of the last read */
    int (*is_direct)(void *stream);                     /* 1: length is what can be read */
    void (*close)(void *stream);
} bytes_kind;

ne_status bytes_open(const char *path, bytes_source *from);
/** Reads on until from->file has `size` bytes, or ends. */
ne_status bytes_more(bytes_source *from, size_t size);
/** Forgets the first count of the bytes that were read, which move down in memory. */
void bytes_drop(bytes_source *from, size_t count);
/** Closes, and frees what is left in from->file. */
void bytes_close(bytes_source *from);

/** 1 when it is a file of the file system, and not gzipped: its bytes can be read in any order. */
int bytes_is_plain(const bytes_source *from);
/** The file at path, or standard input for "-", opened for reading; -1 with errno set. */
int bytes_handle(const char *path);

/** How error texts call a file: its path, or "standard input". */
const char *bytes_name(const char *path);
int         bytes_is_stdin(const char *path);

/** 1 when path ends in extension (".csv"), in letters of either case; of the second, when a ".gz" may follow. */
int bytes_name_ends(const char *path, const char *extension);
int bytes_name_ends_or_gz(const char *path, const char *extension);

#endif
