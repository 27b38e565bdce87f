/* graph/graph_file.c: see graph_file.h. */
#include "graph/graph_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    VERSION = 1,
    HEADER  = 40,
    BUFFER  = 1 << 16 /* bytes at a time, a multiple of 8 */
};
static const char     magic[8]   = "NEGRAPH";
static const uint64_t hash_start = 0xCBF29CE484222325u, hash_prime = 0x100000001B3u;

typedef struct graph_file {
    FILE          *file;
    const char    *path;
    uint64_t       hash;
    unsigned char *buffer;
    ne_status      status; /* of the first failure, after which nothing more is done */
} graph_file;

/* --- Numbers as bytes, the lowest first, whatever the machine's own order. */

static void put(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t b = 0; b < bytes; b++) to[b] = (unsigned char)(value >> (8 * b));
}

static uint64_t take(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t b = 0; b < bytes; b++) value |= (uint64_t)from[b] << (8 * b);
    return value;
}

static uint64_t bits_of(const void *value, size_t bytes)
{
    uint32_t word;
    uint64_t all;
    if (bytes == 8) {
        memcpy(&all, value, 8);
    } else {
        memcpy(&word, value, 4);
        all = word;
    }
    return all;
}

static void set_bits(void *value, size_t bytes, uint64_t bits)
{
    const uint32_t word = (uint32_t)bits;
    if (bytes == 8) memcpy(value, &bits, 8);
    else memcpy(value, &word, 4);
}

static void add_to_hash(graph_file *f, size_t bytes)
{
    for (size_t b = 0; b < bytes; b += 4) f->hash = (f->hash ^ take(f->buffer + b, 4)) * hash_prime;
}

static void fail_io(graph_file *f, const char *what)
{
    if (f->status == NE_OK) f->status = ne_fail(NE_IO, "%s: %s: %s", f->path, what, strerror(errno));
}

/* --- Writing. */

static void write_bytes(graph_file *f, size_t bytes)
{
    if (f->status != NE_OK) return;
    add_to_hash(f, bytes);
    if (fwrite(f->buffer, 1, bytes, f->file) != bytes) fail_io(f, "cannot be written");
}

static void write_array(graph_file *f, const void *values, size_t count, size_t bytes)
{
    const size_t at_once = BUFFER / bytes;
    for (size_t i = 0; i < count && f->status == NE_OK; i += at_once) {
        const size_t piece = count - i < at_once ? count - i : at_once;
        for (size_t j = 0; j < piece; j++)
            put(f->buffer + j * bytes, bits_of((const char *)values + (i + j) * bytes, bytes), bytes);
        write_bytes(f, piece * bytes);
    }
}

ne_status graph_file_write(ne_context *context, const char *path, ne_graph_kind kind, const csr *m, double recall)
{
    const ne_allocator *mem  = &context->memory;
    graph_file          f    = {.path = path, .hash = hash_start};
    const size_t        size = strlen(path) + sizeof ".part";
    char               *part = memory_new(mem, size, 1);

    f.buffer = memory_new(mem, BUFFER, 1);
    if (!part || !f.buffer) {
        f.status = NE_OUT_OF_MEMORY;
        goto done;
    }
    snprintf(part, size, "%s.part", path);
    f.file = fopen(part, "wb");
    if (!f.file) {
        fail_io(&f, "cannot be written");
        goto done;
    }
    memcpy(f.buffer, magic, sizeof magic);
    put(f.buffer + 8, VERSION, 4);
    put(f.buffer + 12, (uint64_t)kind, 4);
    put(f.buffer + 16, m->rows, 8);
    put(f.buffer + 24, m->entries, 8);
    put(f.buffer + 32, bits_of(&recall, 8), 8);
    write_bytes(&f, HEADER);
    write_array(&f, m->start, m->rows + 1, sizeof *m->start);
    write_array(&f, m->col, m->entries, sizeof *m->col);
    write_array(&f, m->val, m->entries, sizeof *m->val);
    put(f.buffer, f.hash, 8);
    write_bytes(&f, 8);
    if (fclose(f.file) != 0) fail_io(&f, "cannot be written");
    f.file = NULL;
    if (f.status == NE_OK && rename(part, path) != 0) fail_io(&f, "cannot be put in place");
    if (f.status != NE_OK) remove(part);
done:
    memory_free(mem, part);
    memory_free(mem, f.buffer);
    return f.status;
}

/* --- Reading. */

static void read_bytes(graph_file *f, size_t bytes)
{
    if (f->status != NE_OK) return;
    errno = 0;
    if (fread(f->buffer, 1, bytes, f->file) != bytes) {
        if (ferror(f->file)) fail_io(f, "cannot be read");
        else f->status = ne_fail(NE_IO, "%s: the file ends too early", f->path);
    }
}

static void read_array(graph_file *f, void *values, size_t count, size_t bytes)
{
    const size_t at_once = BUFFER / bytes;
    for (size_t i = 0; i < count && f->status == NE_OK; i += at_once) {
        const size_t piece = count - i < at_once ? count - i : at_once;
        read_bytes(f, piece * bytes);
        if (f->status != NE_OK) return;
        add_to_hash(f, piece * bytes);
        for (size_t j = 0; j < piece; j++)
            set_bits((char *)values + (i + j) * bytes, bytes, take(f->buffer + j * bytes, bytes));
    }
}

static ne_status bad(const graph_file *f, const char *what, size_t row)
{
    return ne_fail(NE_IO, "%s: row %zu %s", f->path, row, what);
}

/* Header and sizes; the file must have exactly the length that they ask for. */
static ne_status read_header(graph_file *f, ne_graph_kind *kind, uint64_t *rows, uint64_t *entries, double *recall)
{
    long length;
    read_bytes(f, HEADER);
    if (f->status != NE_OK) return f->status;
    add_to_hash(f, HEADER);
    if (memcmp(f->buffer, magic, sizeof magic) != 0)
        return ne_fail(NE_IO, "%s: not a file of ne_graph_save()", f->path);
    const uint64_t version = take(f->buffer + 8, 4), what = take(f->buffer + 12, 4);
    if (version != VERSION)
        return ne_fail(NE_UNSUPPORTED, "%s: version %llu of the format, this library reads %d", f->path,
                       (unsigned long long)version, VERSION);
    if (what != NE_GRAPH_DISTANCES && what != NE_GRAPH_AFFINITY)
        return ne_fail(NE_IO, "%s: kind %llu is neither distances nor affinity", f->path, (unsigned long long)what);
    *kind    = (ne_graph_kind)what;
    *rows    = take(f->buffer + 16, 8);
    *entries = take(f->buffer + 24, 8);
    set_bits(recall, 8, take(f->buffer + 32, 8));
    if (*rows < 2 || *rows > INT32_MAX)
        return ne_fail(NE_IO, "%s: %llu rows, outside [2, %d]", f->path, (unsigned long long)*rows, INT32_MAX);
    if (!(*recall >= 0 && *recall <= 1)) return ne_fail(NE_IO, "%s: recall %g, outside [0, 1]", f->path, *recall);
    if (fseek(f->file, 0, SEEK_END) != 0 || (length = ftell(f->file)) < 0 || fseek(f->file, HEADER, SEEK_SET) != 0) {
        fail_io(f, "cannot be read");
        return f->status;
    }
    if (*entries > (uint64_t)length / 8 || HEADER + 8 * (*rows + 1) + 8 * *entries + 8 != (uint64_t)length)
        return ne_fail(NE_IO, "%s: %ld bytes, which is not the length of %llu rows with %llu entries", f->path, length,
                       (unsigned long long)*rows, (unsigned long long)*entries);
    return NE_OK;
}

/* What ne.h says of a graph. last: rows entries, the row that named a column last, plus 1. */
static ne_status check(const graph_file *f, ne_graph_kind kind, const csr *m, uint32_t *last)
{
    if (m->start[0] != 0) return bad(f, "does not start at 0", 0);
    for (size_t i = 0; i < m->rows; i++)
        if (m->start[i + 1] < m->start[i] || (uint64_t)m->start[i + 1] > m->entries)
            return bad(f, "ends outside the entries or before it starts", i);
    if ((uint64_t)m->start[m->rows] != m->entries) return bad(f, "is not where the entries end", m->rows - 1);
    for (size_t i = 0; i < m->rows; i++)
        for (size_t e = (size_t)m->start[i]; e < (size_t)m->start[i + 1]; e++) {
            const int     first = e == (size_t)m->start[i];
            const int32_t col   = m->col[e];
            if (col < 0 || (size_t)col >= m->rows) return bad(f, "names a column outside the matrix", i);
            if (!isfinite(m->val[e])) return bad(f, "has a value that is not finite", i);
            if (kind == NE_GRAPH_AFFINITY) {
                if (!first && col <= m->col[e - 1]) return bad(f, "has columns that do not ascend", i);
                continue;
            }
            if ((size_t)col == i) return bad(f, "names itself", i);
            if (last[col] == (uint32_t)i + 1) return bad(f, "names a column twice", i);
            last[col] = (uint32_t)i + 1;
            if (!first && (m->val[e] < m->val[e - 1] || (m->val[e] <= m->val[e - 1] && col < m->col[e - 1])))
                return bad(f, "has distances that do not ascend", i);
        }
    return NE_OK;
}

ne_status graph_file_read(ne_context *context, const char *path, ne_graph_kind *kind, csr *to, double *recall)
{
    const ne_allocator *mem  = &context->memory;
    graph_file          f    = {.path = path, .hash = hash_start};
    csr                 made = {0};
    uint32_t           *last = NULL;
    uint64_t            rows = 0, entries = 0;

    f.buffer = memory_new(mem, BUFFER, 1);
    if (!f.buffer) {
        f.status = NE_OUT_OF_MEMORY;
        goto done;
    }
    f.file = fopen(path, "rb");
    if (!f.file) {
        fail_io(&f, "cannot be read");
        goto done;
    }
    if ((f.status = read_header(&f, kind, &rows, &entries, recall)) != NE_OK) goto done;
    if ((f.status = csr_new(mem, (size_t)rows, (size_t)entries, &made)) != NE_OK) goto done;
    last = memory_zero(mem, (size_t)rows, sizeof *last);
    if (!last) {
        f.status = NE_OUT_OF_MEMORY;
        goto done;
    }
    read_array(&f, made.start, made.rows + 1, sizeof *made.start);
    read_array(&f, made.col, made.entries, sizeof *made.col);
    read_array(&f, made.val, made.entries, sizeof *made.val);
    read_bytes(&f, 8);
    if (f.status != NE_OK) goto done;
    if (take(f.buffer, 8) != f.hash) {
        f.status = ne_fail(NE_IO, "%s: its check sum is wrong, the file has been changed or damaged", path);
        goto done;
    }
    if ((f.status = check(&f, *kind, &made, last)) != NE_OK) goto done;
    *to  = made;
    made = (csr){0};
done:
    if (f.file) fclose(f.file);
    csr_clear(mem, &made);
    memory_free(mem, last);
    memory_free(mem, f.buffer);
    return f.status;
}
