/* io/zip.h: the members of a zip archive, stored or deflated, with 64-bit sizes where it has them. */
#ifndef IO_ZIP_H
#define IO_ZIP_H

#include "io/bytes.h"

typedef struct zip_member {
    char    *name;
    uint64_t size, packed; /* bytes, as they are and in the file */
    uint64_t header;       /* where its local header stands */
    uint32_t crc;
    unsigned method; /* 0: stored, 8: deflated */
    int      locked; /* encrypted */
} zip_member;

typedef struct zip {
    const char *path;   /* for error texts */
    int         handle; /* of the file; -1: closed */
    uint64_t    length; /* of the file */
    zip_member *member;
    size_t      count;
} zip;

/** 1 when the bytes begin as an archive does. */
int zip_knows(const bytes *file);

/** Reads the list of members. source is at its beginning; what can't be read in any order, as a pipe, is first copied into
 *  a temporary file without a name. The source may be closed afterwards.
 *  errors   NE_IO, NE_UNSUPPORTED. The archive may be closed after an error. */
ne_status zip_open(const char *path, bytes_source *source, zip *to);
void      zip_close(zip *of);

/** The member of that name, or of that name and ".npy"; NULL: there is none. */
const zip_member *zip_find(const zip *of, const char *name);

/** The bytes of a member, as a source, which may outlive the archive. Its length and its checksum are held
 *  against the list where it is read to its end.
 *  errors   NE_IO, NE_UNSUPPORTED: it is encrypted, or packed in another way. */
ne_status zip_read(const zip *of, const zip_member *member, bytes_source *source);

#endif
