/* io/zip.c: the zip format, as PKWARE's APPNOTE describes it, as far as NumPy writes it:
 *
 *     (local header | bytes of a member) ... | directory: an entry for each member | where the directory is
 *
 * A size of 2^32 - 1 stands for one of 64 bits in the entry's extra field. Only the directory is believed: a local header
 * says where the bytes begin, and its sizes may be 0. */
#include "io/zip.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
    LOCAL_SIZE   = 30,
    ENTRY_SIZE   = 46,
    END_SIZE     = 22,
    END64_SIZE   = 56,
    LOCATOR_SIZE = 20,
    COMMENT_SIZE = 65535, /* at most: what may follow the end record */
    ZIP64        = 1,     /* the extra field with sizes of 64 bits */
    PIECE        = 1 << 16,
    MOST_PACKED  = 1032, /* deflate makes at most so many bytes of one */
    STORED       = 0,
    DEFLATED     = 8
};

static const unsigned char LOCAL[4] = {'P', 'K', 3, 4}, ENTRY[4] = {'P', 'K', 1, 2}, END[4] = {'P', 'K', 5, 6},
                           END64[4] = {'P', 'K', 6, 6}, LOCATOR[4] = {'P', 'K', 6, 7};

static uint64_t number(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | at[i];
    return value;
}

static int begins(const unsigned char *at, const unsigned char mark[4])
{
    return memcmp(at, mark, 4) == 0;
}

int zip_knows(const bytes *file)
{
    return file->size >= 4 && (begins(file->data, LOCAL) || begins(file->data, END));
}

/* size bytes from a place in the file. */
static ne_status zip_get(const zip *of, uint64_t place, void *to, size_t size)
{
    for (size_t got = 0; got < size;) {
        const ssize_t more = pread(of->handle, (char *)to + got, size - got, (off_t)(place + got));
        if (more < 0) return ne_fail(NE_IO, "%s: %s", of->path, strerror(errno));
        if (more == 0) return ne_fail(NE_IO, "%s: truncated: it ends within a header of the archive", of->path);
        got += (size_t)more;
    }
    return NE_OK;
}

/* --- The directory */

/* Where the directory stands: from the record at the end of the file, or from that of 64 bits before it. */
static ne_status zip_directory(const zip *of, uint64_t *place, uint64_t *size, uint64_t *count)
{
    const size_t   room = of->length < COMMENT_SIZE + END_SIZE ? (size_t)of->length : COMMENT_SIZE + END_SIZE;
    const uint64_t from = of->length - room;
    unsigned char *tail = malloc(room + 1);
    size_t         at   = room < END_SIZE ? 0 : room - END_SIZE + 1;
    ne_status      st   = tail ? zip_get(of, from, tail, room) : ne_fail(NE_OUT_OF_MEMORY, "%s: no memory", of->path);
    while (st == NE_OK && at > 0 && !begins(tail + at - 1, END)) at--;
    if (st == NE_OK && at == 0)
        st = ne_fail(NE_IO, "%s: truncated, or no zip archive: it has no list of its members at the end", of->path);
    if (st != NE_OK) goto done;
    at--;
    *count = number(tail + at + 10, 2);
    *size  = number(tail + at + 12, 4);
    *place = number(tail + at + 16, 4);
    if (from + at >= LOCATOR_SIZE) {
        unsigned char locator[LOCATOR_SIZE], end[END64_SIZE];
        st = zip_get(of, from + at - LOCATOR_SIZE, locator, sizeof locator);
        if (st != NE_OK || !begins(locator, LOCATOR)) goto done;
        const uint64_t where = number(locator + 8, 8);
        if (where > of->length || of->length - where < END64_SIZE) {
            st = ne_fail(NE_IO, "%s: malformed: its list of members is said to be at %llu, outside the file", of->path,
                         (unsigned long long)where);
            goto done;
        }
        st = zip_get(of, where, end, sizeof end);
        if (st == NE_OK && !begins(end, END64))
            st = ne_fail(NE_IO, "%s: malformed: the record of its list of members is none", of->path);
        *count = number(end + 32, 8);
        *size  = number(end + 40, 8);
        *place = number(end + 48, 8);
    }
done:
    free(tail);
    return st;
}

/* The sizes that the entry itself could not hold, in the order of the format. */
static void zip_wide(const unsigned char *extra, size_t length, zip_member *of)
{
    uint64_t *const wide[] = {&of->size, &of->packed, &of->header};
    for (size_t at = 0; at + 4 <= length;) {
        const size_t size = (size_t)number(extra + at + 2, 2);
        if (size > length - at - 4) return;
        if (number(extra + at, 2) == ZIP64)
            for (size_t i = 0, used = 0; i < 3; i++)
                if (*wide[i] == UINT32_MAX && used + 8 <= size) {
                    *wide[i] = number(extra + at + 4 + used, 8);
                    used += 8;
                }
        at += 4 + size;
    }
}

static ne_status zip_add(zip *to, const unsigned char *entry, size_t left, size_t *used)
{
    if (left < ENTRY_SIZE || !begins(entry, ENTRY))
        return ne_fail(NE_IO, "%s: malformed: entry %zu of its list of members is none", to->path, to->count);
    const size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
    *used = ENTRY_SIZE + name + extra + (size_t)number(entry + 32, 2);
    if (*used > left)
        return ne_fail(NE_IO, "%s: malformed: entry %zu of its list of members is cut short", to->path, to->count);

    zip_member *longer = realloc(to->member, (to->count + 1) * sizeof *longer);
    if (longer) to->member = longer;
    char *own = longer ? malloc(name + 1) : NULL;
    if (own) { /* the name is not closed by a 0 */
        memcpy(own, entry + ENTRY_SIZE, name);
        own[name] = 0;
    }
    if (!own) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu members", to->path, to->count + 1);
    zip_member *made = &to->member[to->count++];
    *made            = (zip_member){.name   = own,
                                    .locked = entry[8] & 1,
                                    .method = (unsigned)number(entry + 10, 2),
                                    .crc    = (uint32_t)number(entry + 16, 4),
                                    .packed = number(entry + 20, 4),
                                    .size   = number(entry + 24, 4),
                                    .header = number(entry + 42, 4)};
    zip_wide(entry + ENTRY_SIZE + name, extra, made);
    return NE_OK;
}

static ne_status zip_list(zip *to)
{
    uint64_t       place = 0, size = 0, count = 0;
    unsigned char *list = NULL;
    ne_status      st   = zip_directory(to, &place, &size, &count);
    if (st != NE_OK) goto done;
    if (place > to->length || size > to->length - place || count > size / ENTRY_SIZE) {
        st = ne_fail(NE_IO, "%s: malformed: its list of %llu members in %llu bytes at %llu is outside the file",
                     to->path, (unsigned long long)count, (unsigned long long)size, (unsigned long long)place);
        goto done;
    }
    list = malloc((size_t)size + 1);
    st   = list ? zip_get(to, place, list, (size_t)size) : ne_fail(NE_OUT_OF_MEMORY, "%s: no memory", to->path);
    for (size_t at = 0, used = 0; st == NE_OK && to->count < count; at += used)
        st = zip_add(to, list + at, (size_t)size - at, &used);
done:
    free(list);
    return st;
}

/* --- The archive */

/* Copies what is left of a source into a file without a name. */
static ne_status zip_spool(bytes_source *source, FILE *file)
{
    ne_status st = NE_OK;
    do {
        if (fwrite(source->file.data, 1, source->file.size, file) < source->file.size)
            return ne_fail(NE_IO, "%s: no room for a copy: %s", source->name, strerror(errno));
        bytes_drop(source, source->file.size);
        st = bytes_more(source, PIECE);
    } while (st == NE_OK && source->file.size > 0);
    if (st == NE_OK && fflush(file) != 0)
        st = ne_fail(NE_IO, "%s: no room for a copy: %s", source->name, strerror(errno));
    return st;
}

ne_status zip_open(const char *path, bytes_source *source, zip *to)
{
    ne_status st    = NE_OK;
    FILE     *spool = NULL;
    *to             = (zip){.path = source->name, .handle = -1};
    if (bytes_is_plain(source)) {
        to->handle = bytes_handle(path);
        to->length = source->length;
        if (to->handle < 0) st = ne_fail(NE_IO, "%s: %s", to->path, strerror(errno));
    } else {
        spool = tmpfile();
        st = spool ? zip_spool(source, spool) : ne_fail(NE_IO, "%s: no temporary file: %s", to->path, strerror(errno));
        if (st == NE_OK) {
            to->handle = dup(fileno(spool));
            to->length = source->dropped;
            if (to->handle < 0) st = ne_fail(NE_IO, "%s: %s", to->path, strerror(errno));
        }
        if (spool) fclose(spool);
    }
    return st == NE_OK ? zip_list(to) : st;
}

void zip_close(zip *of)
{
    for (size_t i = 0; i < of->count; i++) free(of->member[i].name);
    free(of->member);
    if (of->handle >= 0) close(of->handle);
    *of = (zip){.handle = -1};
}

const zip_member *zip_find(const zip *of, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < of->count; i++) {
        const char *const have = of->member[i].name;
        if (strncmp(have, name, length) == 0 && (!have[length] || strcmp(have + length, ".npy") == 0))
            return &of->member[i];
    }
    return NULL;
}

/* --- The bytes of a member */

typedef struct member_stream {
    zip           from; /* a path and a handle of its own; no list */
    zip_member    of;
    char         *name;         /* of the source */
    uint64_t      place, taken; /* where the packed bytes go on, and how many are used */
    uint64_t      made;
    uLong         crc;
    z_stream      inflate;
    const char   *fault;     /* what is wrong with it, or NULL */
    ne_status     io;        /* NE_OK, or that of a failed read, whose text is set */
    int           inflating; /* 1: inflate is to be ended */
    unsigned char packed[PIECE];
} member_stream;

/* Bytes as they are in the file: 0 at the end of the member, -1 on an error. */
static int member_get(member_stream *of, void *to, unsigned size)
{
    const uint64_t left = of->of.packed - of->taken;
    const unsigned want = left < size ? (unsigned)left : size;
    of->io              = zip_get(&of->from, of->place + of->taken, to, want);
    if (of->io != NE_OK) return -1;
    of->taken += want;
    return (int)want;
}

static int member_inflate(member_stream *of, void *to, unsigned size)
{
    z_stream *z  = &of->inflate;
    int       st = Z_OK;
    z->next_out  = to;
    z->avail_out = size;
    while (z->avail_out > 0 && st == Z_OK) {
        if (z->avail_in == 0) {
            const int got = member_get(of, of->packed, PIECE);
            if (got < 0) return -1;
            z->next_in  = of->packed;
            z->avail_in = (unsigned)got;
        }
        st = inflate(z, Z_NO_FLUSH);
    }
    if (st == Z_BUF_ERROR) of->fault = "its packed bytes end early";
    else if (st != Z_OK && st != Z_STREAM_END) of->fault = z->msg ? z->msg : "its packed bytes are damaged";
    return of->fault ? -1 : (int)(size - z->avail_out);
}

static int member_read(void *stream, void *to, unsigned size)
{
    member_stream *of   = stream;
    const uint64_t left = of->of.size - of->made;
    unsigned char  more;
    if (of->fault || of->io != NE_OK) return -1;
    const unsigned want = left < size ? (unsigned)left : size;
    const int got = want == 0 ? 0 : of->of.method == STORED ? member_get(of, to, want) : member_inflate(of, to, want);
    if (got < 0) return -1;
    of->crc = crc32(of->crc, to, (unsigned)got);
    of->made += (unsigned)got;
    if (of->made < of->of.size && (unsigned)got < want) of->fault = "its packed bytes end early";
    else if (of->made == of->of.size && of->of.method == DEFLATED && member_inflate(of, &more, 1) > 0)
        of->fault = "it holds more bytes than the list of members says";
    else if (of->made == of->of.size && of->crc != of->of.crc) of->fault = "its checksum is wrong";
    return of->fault ? -1 : got;
}

static ne_status member_check(const bytes_source *source)
{
    const member_stream *of = source->stream;
    if (of->fault) return ne_fail(NE_IO, "%s: damaged: %s", source->name, of->fault);
    return of->io;
}

static int member_is_direct(void *stream)
{
    (void)stream;
    return 1;
}

static void member_close(void *stream)
{
    member_stream *of = stream;
    if (of->inflating) inflateEnd(&of->inflate);
    if (of->from.handle >= 0) close(of->from.handle);
    free(of->name);
    free(of);
}

static const bytes_kind MEMBER = {member_read, member_check, member_is_direct, member_close};

/* What can be told before a byte is read; *place: where the bytes begin. */
static ne_status member_check_header(const zip *of, const zip_member *member, uint64_t *place)
{
    unsigned char local[LOCAL_SIZE];
    if (member->locked) return ne_fail(NE_UNSUPPORTED, "%s:%s: is encrypted", of->path, member->name);
    if (member->method != STORED && member->method != DEFLATED)
        return ne_fail(NE_UNSUPPORTED, "%s:%s: is packed by method %u; stored and deflated members can be read",
                       of->path, member->name, member->method);
    if (member->header > of->length || of->length - member->header < LOCAL_SIZE)
        return ne_fail(NE_IO, "%s:%s: malformed: it is said to be at %llu, outside the file", of->path, member->name,
                       (unsigned long long)member->header);
    const ne_status st = zip_get(of, member->header, local, sizeof local);
    if (st != NE_OK) return st;
    if (!begins(local, LOCAL))
        return ne_fail(NE_IO, "%s:%s: malformed: no member is at %llu, where it is said to be", of->path, member->name,
                       (unsigned long long)member->header);
    *place = member->header + LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
    if (*place > of->length || member->packed > of->length - *place)
        return ne_fail(NE_IO, "%s:%s: truncated: it is said to have %llu bytes, and %llu follow", of->path,
                       member->name, (unsigned long long)member->packed,
                       (unsigned long long)(*place > of->length ? 0 : of->length - *place));
    if (member->method == STORED ? member->size != member->packed : member->size / MOST_PACKED > member->packed)
        return ne_fail(NE_IO, "%s:%s: malformed: %llu bytes can't be made of the %llu that it has", of->path,
                       member->name, (unsigned long long)member->size, (unsigned long long)member->packed);
    return NE_OK;
}

ne_status zip_read(const zip *of, const zip_member *member, bytes_source *source)
{
    member_stream *made  = NULL;
    uint64_t       place = 0;
    ne_status      st    = member_check_header(of, member, &place);
    if (st != NE_OK) return st;
    made = calloc(1, sizeof *made);
    if (made) {
        const size_t tail = strlen(member->name),
                     npy  = tail > 4 && bytes_name_ends(member->name, ".npy") ? tail - 4 : tail;
        const size_t room = strlen(of->path) + tail + 2;
        *made             = (member_stream){.from  = {.handle = dup(of->handle), .length = of->length},
                                            .of    = *member,
                                            .place = place,
                                            .crc   = crc32(0, NULL, 0)};
        made->name        = malloc(room);
        made->from.path   = made->name;
        if (made->name) snprintf(made->name, room, "%s:%.*s", of->path, (int)npy, member->name);
        made->inflating = made->name && member->method == DEFLATED && inflateInit2(&made->inflate, -MAX_WBITS) == Z_OK;
    }
    if (!made || !made->name || made->from.handle < 0 || (member->method == DEFLATED && !made->inflating)) {
        if (made) member_close(made);
        return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for a member", of->path);
    }
    *source = (bytes_source){.name = made->name, .kind = &MEMBER, .stream = made, .length = (size_t)member->size};
    return NE_OK;
}
