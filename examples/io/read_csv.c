/* io/read_csv.c: a table from comma- or tab-separated text.
 *
 * Whether line 1 is a header is not written anywhere. It is one when it has a name that was asked for; when it holds no
 * number at all; or when a word in it stands above a number in line 2, and the numbers in it, two or more, count 0, 1,
 * 2, ... or 1, 2, 3, ..., as data frames name their columns. So a first line of data with a word at its end is data, and one with a
 * mistyped number is an error and does not get lost. */
#include "io/read_csv.h"
#include "io/csv.h"
#include "io/stream.h"
#include "io/words.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    NO_COLUMN     = -1,
    STORE_NUMBERS = 1 << 18 /* as many go to the store at once, or as 256 rows have */
};

typedef struct csv_table {
    const char          *path;
    const table_request *request;
    csv_reader           reader;
    word_list            header; /* the fields of line 1 */
    char               **head;   /* where each of them stands */
    size_t               width, head_line;
    int                  has_header;
    ptrdiff_t            label, id; /* columns, or NO_COLUMN */
    double              *values;    /* the last held rows: all of them where there is no store */
    word_list            labels, ids;
    ne_store            *store;
    size_t               rows, cols, room, held;
} csv_table;

static ne_status csv_flush(csv_table *of)
{
    const ne_dense rows = {
        .struct_size = sizeof rows, .data = of->values, .rows = of->held, .cols = of->cols, .dtype = NE_F64};
    of->held = 0;
    return rows.rows ? stream_append(of->path, of->store, &rows) : NE_OK;
}

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

/* Makes room for one more row: in memory, or by handing what is held to the store. */
static ne_status csv_reserve(csv_table *of)
{
    if (of->held < of->room) return NE_OK;
    if (of->store && of->room * of->cols >= STORE_NUMBERS) return csv_flush(of);
    const size_t room   = of->room ? 2 * of->room : 256;
    double      *values = room > SIZE_MAX / sizeof(double) / (of->cols + 1)
                              ? NULL
                              : realloc(of->values, room * of->cols * sizeof *values);
    if (!values) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for more than %zu rows", of->path, of->rows);
    of->values = values;
    of->room   = room;
    return NE_OK;
}

static ne_status csv_bad_field(const csv_table *of, size_t line, size_t column, const char *field)
{
    const int   word = !csv_is_number(field);
    const char *hint =
        word && of->rows == 0 && !of->request->label_column ? "; for labels, name it with --label-column" : "";
    double      number = 0;
    const int   wide   = csv_number(field, &number) && isfinite(number);
    const char *fault  = word   ? "not a number"
                         : wide ? "no float; without --stream it is a double"
                                : "not a finite number";
    if (of->has_header)
        return ne_fail(NE_IO, "%s: line %zu, column %zu '%.60s': '%.60s' is %s%s", of->path, line, column + 1,
                       of->head[column], field, fault, hint);
    return ne_fail(NE_IO, "%s: line %zu, column %zu: '%.60s' is %s%s", of->path, line, column + 1, field, fault, hint);
}

static ne_status csv_add_row(csv_table *of, size_t line, char **field, size_t count)
{
    if (count != of->width)
        return ne_fail(NE_IO, "%s: line %zu: %zu columns, and line %zu has %zu", of->path, line, count, of->head_line,
                       of->width);
    ne_status st = csv_reserve(of);
    if (st != NE_OK) return st;
    double *to = of->values + of->held * of->cols;
    for (size_t j = 0; j < count && st == NE_OK; j++) {
        if ((ptrdiff_t)j == of->id) st = words_add(&of->ids, of->path, field[j]);
        if ((ptrdiff_t)j == of->label && st == NE_OK) st = words_add(&of->labels, of->path, csv_trim(field[j]));
        if ((ptrdiff_t)j == of->label || (ptrdiff_t)j == of->id) continue;
        if (!csv_number(field[j], to) || !(fabs(*to) <= (of->store ? (double)FLT_MAX : DBL_MAX)))
            return csv_bad_field(of, line, j, field[j]);
        to++;
    }
    if (st != NE_OK) return st;
    of->rows++;
    of->held++;
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
    for (size_t j = 0; j < of->width && st == NE_OK; j++) st = words_add(&of->header, of->path, of->reader.field[j]);
    if (st == NE_OK && !(of->head = words_list(&of->header, of->path))) st = NE_OUT_OF_MEMORY;
    if (st == NE_OK) st = csv_next(&of->reader);
    if (st != NE_OK) return st;
    of->has_header = csv_find_header(of, of->reader.count == of->width ? of->reader.field : NULL);
    st             = csv_find_column(of, of->request->label_column, &of->label);
    if (st == NE_OK) st = csv_find_column(of, of->request->id_column, &of->id);
    if (st != NE_OK) return st;
    of->cols = of->width - (of->label != NO_COLUMN) - (of->id != NO_COLUMN && of->id != of->label);
    if (of->cols == 0) return ne_fail(NE_IO, "%s: no column is left for the data", of->path);
    if (of->request->stream) st = ne_store_create(of->request->stream, of->cols, NULL, &of->store);
    return of->has_header || st != NE_OK ? st : csv_add_row(of, of->head_line, of->head, of->width);
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

static ne_status csv_finish(csv_table *of, table *to)
{
    char    **list = NULL;
    ne_status st   = of->store ? csv_flush(of) : NE_OK;
    if (st == NE_OK && of->labels.count && !(list = words_list(&of->labels, of->path))) st = NE_OUT_OF_MEMORY;
    if (st == NE_OK && list)
        st = labels_from_words(list, of->rows, of->has_header ? of->head[of->label] : NULL, &to->labels);
    free(list);
    if (st == NE_OK && of->ids.count && !(to->ids = words_list(&of->ids, of->path))) st = NE_OUT_OF_MEMORY;
    if (st != NE_OK) return st;
    to->text = of->ids.text;
    of->ids  = (word_list){0};
    to->rows = of->rows;
    to->cols = of->cols;
    if (of->store) {
        to->store = of->store;
        of->store = NULL;
        return stream_show(to);
    }
    to->dtype  = NE_F64;
    to->values = of->values;
    of->values = NULL;
    return table_narrow(to);
}

ne_status read_csv(const char *path, bytes_source *source, const table_request *request, table *to)
{
    csv_table of = {.path = path, .request = request, .label = NO_COLUMN, .id = NO_COLUMN};
    ne_status st = csv_open(path, source, &of.reader);
    if (st == NE_OK && !of.reader.separator) csv_guess(&of.reader);
    if (st == NE_OK) st = csv_begin(&of);
    if (st == NE_OK) st = csv_read_rows(&of);
    if (st == NE_OK) st = csv_finish(&of, to);
    csv_close(&of.reader);
    ne_store_free(of.store);
    words_clear(&of.header);
    words_clear(&of.labels);
    words_clear(&of.ids);
    free(of.head);
    free(of.values);
    return st;
}
