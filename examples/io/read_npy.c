/* io/read_npy.c: the .npy format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 *     "\x93NUMPY" | major | minor | length of the header (2 bytes, 4 from version 2 on) | header | numbers
 *
 * The header is the text of a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (70000, 784), }. */
#include "io/read_npy.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static const char MAGIC[] = "\x93NUMPY";

enum {
    MAGIC_SIZE = 6,
    TEXT_SIZE  = 4096
};

int read_npy_knows(const bytes *file)
{
    return file->size >= MAGIC_SIZE && memcmp(file->data, MAGIC, MAGIC_SIZE) == 0;
}

/* The text behind 'key': in a header, NULL when there is none. */
static const char *npy_value(const char *header, const char *key)
{
    const size_t length = strlen(key);
    for (const char *at = strstr(header, key); at; at = strstr(at + 1, key)) {
        const char *after = at + length;
        if (at == header || (at[-1] != '\'' && at[-1] != '"') || *after != at[-1]) continue;
        do after++;
        while (isspace((unsigned char)*after));
        if (*after != ':') continue;
        do after++;
        while (isspace((unsigned char)*after));
        return after;
    }
    return NULL;
}

/* "'<f4'" into byte order, kind and size. */
static ne_status npy_type(const char *path, const char *value, array *to)
{
    char         text[24] = "";
    const size_t length   = strcspn(value + 1, "'\"");
    if ((*value == '\'' || *value == '"') && length < sizeof text) memcpy(text, value + 1, length);

    const char order = text[0], kind = text[1], size = text[2];
    const int  known = order && strchr("<>|=", order) && kind && size && text[3] == 0 &&
                      ((kind == 'f' && strchr("248", size)) || (strchr("iu", kind) && strchr("1248", size)) ||
                       (kind == 'b' && size == '1'));
    if (!known) {
        const int shown = (int)strcspn(value, ",[(");
        return ne_fail(NE_UNSUPPORTED,
                       "%s: type %.*s is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", path,
                       *text ? shown : 12, *text ? value : "of records");
    }
    to->kind       = (unsigned char)kind;
    to->size       = (size_t)(size - '0');
    to->big_endian = order == '>';
    return NE_OK;
}

/* "(70000, 784)"; 0 when it is no such thing. */
static int npy_shape(const char *value, array *to)
{
    if (*value++ != '(') return 0;
    for (to->dims = 0;;) {
        while (isspace((unsigned char)*value)) value++;
        if (*value == ')') return 1;
        if (!isdigit((unsigned char)*value) || to->dims == ARRAY_DIMS) return 0;
        size_t count = 0;
        for (; isdigit((unsigned char)*value); value++) {
            const size_t digit = (size_t)(*value - '0');
            if (count > (SIZE_MAX - digit) / 10) return 0;
            count = 10 * count + digit;
        }
        to->shape[to->dims++] = count;
        while (isspace((unsigned char)*value) || *value == 'L') value++; /* Python 2 wrote 784L */
        if (*value == ',') value++;
        else if (*value != ')') return 0;
    }
}

/* The dictionary of the header, as text, and where it ends. */
static ne_status npy_header(const char *path, const bytes *file, char text[TEXT_SIZE], size_t *end)
{
    if (!read_npy_knows(file)) return ne_fail(NE_IO, "%s: not a .npy file: it does not begin with \\x93NUMPY", path);
    const unsigned char major  = file->size > MAGIC_SIZE ? file->data[MAGIC_SIZE] : 0;
    const size_t        digits = major == 1 ? 2 : 4; /* bytes of the header's length */
    const size_t        start  = MAGIC_SIZE + 2 + digits;
    size_t              length = 0;
    if (file->size < start) return ne_fail(NE_IO, "%s: truncated: it ends within the .npy header", path);
    if (major < 1 || major > 3)
        return ne_fail(NE_UNSUPPORTED, "%s: version %d of the .npy format is not supported; 1 to 3 are", path, major);
    for (size_t i = digits; i-- > 0;) length = length << 8 | file->data[MAGIC_SIZE + 2 + i];
    if (length > file->size - start) return ne_fail(NE_IO, "%s: truncated: it ends within the .npy header", path);
    if (length >= TEXT_SIZE)
        return ne_fail(NE_UNSUPPORTED, "%s: its .npy header of %zu bytes is too long", path, length);

    memcpy(text, file->data + start, length);
    text[length] = 0;
    *end         = start + length;
    return NE_OK;
}

ne_status read_npy(const char *path, const bytes *file, array *to)
{
    char      text[TEXT_SIZE];
    size_t    end = 0;
    ne_status st  = npy_header(path, file, text, &end);
    if (st != NE_OK) return st;
    const char *const type  = npy_value(text, "descr");
    const char *const order = npy_value(text, "fortran_order");
    const char *const shape = npy_value(text, "shape");
    if (!type || !order || !shape || !npy_shape(shape, to))
        return ne_fail(NE_IO, "%s: malformed .npy header: it needs descr, fortran_order and shape", path);
    st = npy_type(path, type, to);
    if (st != NE_OK) return st;

    to->data    = file->data + end;
    to->before  = 0;
    to->fortran = strncmp(order, "True", 4) == 0;
    if (!to->fortran && strncmp(order, "False", 5) != 0)
        return ne_fail(NE_IO, "%s: malformed .npy header: fortran_order is neither True nor False", path);
    if (to->dims == 0) return ne_fail(NE_IO, "%s: holds one number, not an array", path);
    if (to->fortran && to->dims > 2)
        return ne_fail(NE_UNSUPPORTED, "%s: Fortran order with %zu dimensions is not supported; save it in C order",
                       path, to->dims);
    return NE_OK;
}

ne_status read_npy_word(const char *path, const bytes *file, char *word, size_t size)
{
    char      text[TEXT_SIZE];
    size_t    at = 0, used = 0;
    ne_status st = npy_header(path, file, text, &at);
    if (st != NE_OK) return st;
    for (; at < file->size && used + 1 < size; at++) /* a letter of 'U' has 4 bytes, of which 3 are 0 */
        if (isalnum(file->data[at])) word[used++] = (char)file->data[at];
    word[used] = 0;
    return NE_OK;
}
