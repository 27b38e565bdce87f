/* zip_files.h: archives as NumPy writes them, and a few that nobody should write. */
#ifndef ZIP_FILES_H
#define ZIP_FILES_H

#include "table_files.h"

typedef struct part {
    const char *name;
    const void *data;
    size_t      size;
} part;

typedef struct archive {
    unsigned char bytes[16384];
    size_t        size;
    size_t        entry[8]; /* where the directory's entries stand */
    size_t        begin[8]; /* where the members' bytes do */
    size_t        end;      /* where the record at the end does */
} archive;

static inline void archive_put(archive *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) to->bytes[to->size++] = (unsigned char)(i < 8 ? value >> 8 * i : 0);
}

static inline void archive_copy(archive *to, const void *data, size_t size)
{
    ck_assert_uint_le(to->size + size, sizeof to->bytes);
    if (size) memcpy(to->bytes + to->size, data, size);
    to->size += size;
}

/* Writes bytes packed by deflate without zlib's frame; how many there are. */
static inline size_t pack(const part *from, unsigned char *to, size_t room)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in   = (unsigned char *)(uintptr_t)from->data;
    z.avail_in  = (unsigned)from->size;
    z.next_out  = to;
    z.avail_out = (unsigned)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* wide: sizes and places as numbers of 64 bits, in extra fields. */
static inline void make_zip(archive *to, const part *parts, size_t count, int packed, int wide)
{
    static unsigned char data[8][8192];
    size_t               size[8], place[8];
    *to = (archive){.size = 0};
    for (size_t i = 0; i < count; i++) {
        const size_t name = strlen(parts[i].name);
        size[i]           = packed ? pack(&parts[i], data[i], sizeof data[i]) : parts[i].size;
        place[i]          = to->size;
        archive_put(to, 0x04034b50, 4);
        archive_put(to, 45, 2);
        archive_put(to, 0, 2);
        archive_put(to, packed ? 8 : 0, 2);
        archive_put(to, 0, 16); /* time, checksum and sizes: as from a stream, nobody may need them here */
        archive_put(to, name, 2);
        archive_put(to, 4, 2);
        archive_copy(to, parts[i].name, name);
        archive_put(to, 0x77, 4); /* an extra field that says nothing */
        to->begin[i] = to->size;
        archive_copy(to, packed ? data[i] : parts[i].data, size[i]);
    }
    const size_t list = to->size;
    for (size_t i = 0; i < count; i++) {
        const size_t name = strlen(parts[i].name);
        to->entry[i]      = to->size;
        archive_put(to, 0x02014b50, 4);
        archive_put(to, 45, 2);
        archive_put(to, 45, 2);
        archive_put(to, 0, 2);
        archive_put(to, packed ? 8 : 0, 2);
        archive_put(to, 0, 4);
        archive_put(to, crc32(crc32(0, NULL, 0), parts[i].data, (unsigned)parts[i].size), 4);
        archive_put(to, wide ? UINT32_MAX : size[i], 4);
        archive_put(to, wide ? UINT32_MAX : parts[i].size, 4);
        archive_put(to, name, 2);
        archive_put(to, wide ? 4 + 2 + 28 : 0, 2);
        archive_put(to, 0, 10);
        archive_put(to, wide ? UINT32_MAX : place[i], 4);
        archive_copy(to, parts[i].name, name);
        if (wide) {
            archive_put(to, 0x5455, 2); /* a field before the one that is wanted */
            archive_put(to, 2, 2);
            archive_put(to, 0, 2);
            archive_put(to, 1, 2);
            archive_put(to, 24, 2);
            archive_put(to, parts[i].size, 8);
            archive_put(to, size[i], 8);
            archive_put(to, place[i], 8);
        }
    }
    const size_t length = to->size - list, end = to->size;
    if (wide) {
        archive_put(to, 0x06064b50, 4);
        archive_put(to, 44, 8);
        archive_put(to, 45, 2);
        archive_put(to, 45, 2);
        archive_put(to, 0, 8);
        archive_put(to, count, 8);
        archive_put(to, count, 8);
        archive_put(to, length, 8);
        archive_put(to, list, 8);
        archive_put(to, 0x07064b50, 4);
        archive_put(to, 0, 4);
        archive_put(to, end, 8);
        archive_put(to, 1, 4);
    }
    to->end = to->size;
    archive_put(to, 0x06054b50, 4);
    archive_put(to, 0, 4);
    archive_put(to, wide ? 0xFFFF : count, 2);
    archive_put(to, wide ? 0xFFFF : count, 2);
    archive_put(to, wide ? UINT32_MAX : length, 4);
    archive_put(to, wide ? UINT32_MAX : list, 4);
    archive_put(to, 0, 2);
}

static inline const char *put_zip(const char *name, const part *parts, size_t count, int packed, int wide)
{
    archive made;
    make_zip(&made, parts, count, packed, wide);
    return put(name, made.bytes, made.size);
}

/* --- Members */

enum {
    MEMBER_ROOM = 1024
};

/* A member of an archive: its name, and a .npy file of a type and a shape. */
static inline part npy_part(const char *name, unsigned char room[MEMBER_ROOM], const char *type, const char *shape,
                            const void *data, size_t size)
{
    char header[128];
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", type, shape);
    return (part){name, room, make_npy(room, header, data, size)};
}

#endif
