/* io/read_csv.c: a table from comma- or tab-separated text.
 *
 * Whether line 1 is a header is not written anywhere. It is one when it has a name that was asked for; when it holds no
 * number at all; or when a word in it stands above a number in line 2, and the numbers in it, two or more, count 0, 1,
 * 2, ... or 1, 2, 3, ..., as data frames name their columns. So a first line of data with a word at its end is data, and one with a
 * mistyped number is an error and does not get lost. */
#include "io/read_csv.h"
#include "io/csv.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    NO_COLUMN = -1
};

typedef struct csv_table {
    const char          *path;
    const table_request *request;
    csv_reader           reader;
    char               **head; /* the fields of line 1 */
    size_t               width, head_line;
    int                  has_header;
    ptrdiff_t            label, id; /* columns, or NO_COLUMN */
    double              *values;
    char               **labels, **ids;
    size_t               rows, cols, room;
} csv_table;

static int csv_is_number(const char *text)
{
    double ignored;
    return csv_number(text, &ignored);
}

static int csv_is_name(const csv_table *of, const char *name)
{
    int found = 0;
    for (size_t j = 0; name && j < of->width; j++) found |= strcmp(csv_trim(of->head[j]), name) == 0;
    return found;
}

static int csv_asks_for(const csv_table *of, const char *name)
{
    return csv_is_name(of, name) && !csv_is_number(name);
}

static int csv_find_header(const csv_table *of, char *const *second)
{
    double number, next = -1; /* the next that a count would have */
    int    numbers = 0, counted = 1, above = 0;
    for (size_t j = 0; j < of->width; j++) {
        if (csv_number(of->head[j], &number)) {
            counted &= number == next || (numbers == 0 && (number == 0 || number == 1));
            next = number + 1;
            numbers++;
        } else {
            above |= second && csv_is_number(second[j]);
        }
    }
    return numbers == 0 || (above && counted && numbers > 1) || csv_asks_for(of, of->request->label_column) ||
           csv_asks_for(of, of->request->id_column);
}

static ne_status csv_find_column(const csv_table *of, const char *name, ptrdiff_t *column)
{
    double number = 0;
    *column       = NO_COLUMN;
    if (!name) return NE_OK;
    for (size_t j = 0; of->has_header && j < of->width; j++)
        if (strcmp(csv_trim(of->head[j]), name) == 0) {
            if (*column != NO_COLUMN) return ne_fail(NE_UNKNOWN_NAME, "%s: two columns are named '%s'", of->path, name);
            *column = (ptrdiff_t)j;
        }
    if (*column == NO_COLUMN && csv_number(name, &number) && number >= 1 && number <= (double)of->width &&
        number == floor(number))
        *column = (ptrdiff_t)number - 1;
    if (*column != NO_COLUMN || of->request->optional) return NE_OK;
    return ne_fail(NE_UNKNOWN_NAME, "%s: no column is named '%s'%s", of->path, name,
                   of->has_header ? "" : "; it has no header line, give the number of a column, from 1");
}

static int csv_reserve(csv_table *of)
{
    if (of->rows < of->room) return 1;
    const size_t room = of->room ? 2 * of->room : 256;
    if (room > SIZE_MAX / sizeof(double) / (of->cols + 1)) return 0;
    double *values = realloc(of->values, room * of->cols * sizeof *values);
    char  **words  = of->label == NO_COLUMN ? NULL : realloc(of->labels, room * sizeof *words);
    char  **ids    = of->id == NO_COLUMN ? NULL : realloc(of->ids, room * sizeof *ids);
    if (values) of->values = values;
    if (words) of->labels = words;
    if (ids) of->ids = ids;
    if (!values || (of->label != NO_COLUMN && !words) || (of->id != NO_COLUMN && !ids)) return 0;
    of->room = room;
    return 1;
}

static ne_status csv_bad_field(const csv_table *of, size_t line, size_t column, const char *field)
{
    const int   word = !csv_is_number(field);
    const char *hint =
        word && of->rows == 0 && !of->request->label_column ? "; for labels, name it with --label-column" : "";
    if (of->has_header)
        return ne_fail(NE_IO, "%s: line %zu, column %zu '%.60s': '%.60s' is not a %snumber%s", of->path, line,
                       column + 1, of->head[column], field, word ? "" : "finite ", hint);
    return ne_fail(NE_IO, "%s: line %zu, column %zu: '%.60s' is not a %snumber%s", of->path, line, column + 1, field,
                   word ? "" : "finite ", hint);
}

static ne_status csv_add_row(csv_table *of, size_t line, char **field, size_t count)
{
    if (count != of->width)
        return ne_fail(NE_IO, "%s: line %zu: %zu columns, and line %zu has %zu", of->path, line, count, of->head_line,
                       of->width);
    if (!csv_reserve(of)) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for more than %zu rows", of->path, of->rows);
    double *to = of->values + of->rows * of->cols;
    for (size_t j = 0; j < count; j++) {
        if ((ptrdiff_t)j == of->label) of->labels[of->rows] = csv_trim(field[j]);
        if ((ptrdiff_t)j == of->id) of->ids[of->rows] = field[j];
        if ((ptrdiff_t)j == of->label || (ptrdiff_t)j == of->id) continue;
        if (!csv_number(field[j], to) || !isfinite(*to)) return csv_bad_field(of, line, j, field[j]);
        to++;
    }
    of->rows++;
    return NE_OK;
}

/* Line 1 and what it tells: a header or data, which columns are which. */
static ne_status csv_begin(csv_table *of)
{
    ne_status st = csv_next(&of->reader);
    if (st != NE_OK) return st;
    if (of->reader.count == 0) return ne_fail(NE_IO, "%s: holds no lines but empty ones", of->path);
    of->width     = of->reader.count;
    of->head_line = of->reader.line;
    of->head      = malloc(of->width * sizeof *of->head);
    if (!of->head) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu columns", of->path, of->width);
    memcpy(of->head, of->reader.field, of->width * sizeof *of->head);

    st = csv_next(&of->reader);
    if (st != NE_OK) return st;
    of->has_header = csv_find_header(of, of->reader.count == of->width ? of->reader.field : NULL);
    st             = csv_find_column(of, of->request->label_column, &of->label);
    if (st == NE_OK) st = csv_find_column(of, of->request->id_column, &of->id);
    if (st != NE_OK) return st;
    of->cols = of->width - (of->label != NO_COLUMN) - (of->id != NO_COLUMN && of->id != of->label);
    if (of->cols == 0) return ne_fail(NE_IO, "%s: no column is left for the data", of->path);
    return of->has_header ? NE_OK : csv_add_row(of, of->head_line, of->head, of->width);
}

static ne_status csv_read_rows(csv_table *of)
{
    const size_t limit = of->request->rows ? of->request->rows : SIZE_MAX;
    ne_status    st    = NE_OK;
    while (st == NE_OK && of->reader.count > 0 && of->rows < limit) { /* the record of csv_begin() comes first */
        st = csv_add_row(of, of->reader.line, of->reader.field, of->reader.count);
        if (st == NE_OK && of->rows < limit) st = csv_next(&of->reader);
    }
    if (st != NE_OK) return st;
    if (of->rows == 0) return ne_fail(NE_IO, "%s: has a header line and no rows", of->path);
    if (of->rows < of->request->rows)
        return ne_fail(NE_OUT_OF_RANGE, "--rows: %zu is above the %zu rows of %s", of->request->rows, of->rows,
                       of->path);
    return NE_OK;
}

ne_status read_csv(const char *path, bytes *file, const table_request *request, table *to)
{
    csv_table of = {.path = path, .request = request, .label = NO_COLUMN, .id = NO_COLUMN};
    ne_status st = csv_open(path, file, &of.reader);
    if (st == NE_OK && !of.reader.separator) csv_guess(&of.reader);
    if (st == NE_OK) st = csv_begin(&of);
    if (st == NE_OK) st = csv_read_rows(&of);
    if (st == NE_OK && of.labels)
        st = labels_from_words(of.labels, of.rows, of.has_header ? of.head[of.label] : NULL, &to->labels);
    if (st != NE_OK) goto done;

    to->rows   = of.rows;
    to->cols   = of.cols;
    to->dtype  = NE_F64;
    to->values = of.values;
    of.values  = NULL;
    st         = table_narrow(to);
    if (st == NE_OK && of.ids) {
        to->ids  = of.ids;
        to->text = (char *)file->data;
        of.ids   = NULL;
        *file    = (bytes){0};
    }
done:
    csv_close(&of.reader);
    free(of.head);
    free(of.values);
    free(of.labels);
    free(of.ids);
    return st;
}
