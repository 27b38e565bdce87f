/* io/labels.c: words or numbers into classes: sort, then number the distinct ones. O(n log n). */
#include "io/labels.h"
#include "io/array.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/npz.h"
#include "io/read_array.h"
#include "io/words.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DISCRETE = 20,
    NUMBER_TEXT  = 32
};

typedef struct entry {
    const char *word; /* "" when labels came as numbers */
    double      value;
    size_t      row;
} entry;

static int entry_by_value(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return a->row < b->row ? -1 : 1; /* so that the first spelling of a number names its class */
}

static int entry_by_word(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    const int    order = strcmp(a->word, b->word);
    return order ? order : (a->row < b->row ? -1 : 1);
}

static int entry_is_new(const entry *sorted, size_t i, int numbers)
{
    if (i == 0) return 1;
    return numbers ? sorted[i].value != sorted[i - 1].value : strcmp(sorted[i].word, sorted[i - 1].word) != 0;
}

/* Sorts the entries and makes the classes of them. */
static ne_status labels_make(entry *entries, size_t count, int numbers, const char *title, labels *to)
{
    ne_status st   = NE_OK;
    labels    made = {.count = count};
    size_t    room = 1; /* of all names together */
    char      number[NUMBER_TEXT];

    qsort(entries, count, sizeof *entries, numbers ? entry_by_value : entry_by_word);
    for (size_t i = 0; i < count; i++)
        if (entry_is_new(entries, i, numbers)) {
            made.classes++;
            room += *entries[i].word ? strlen(entries[i].word) + 1 : NUMBER_TEXT;
        }
    made.code  = malloc((count + 1) * sizeof *made.code); /* + 1: no request is for 0 bytes */
    made.name  = malloc((made.classes + 1) * sizeof *made.name);
    made.value = numbers ? malloc((made.classes + 1) * sizeof *made.value) : NULL;
    made.text  = malloc(room);
    made.title = title ? strdup(title) : NULL;
    if (!made.code || !made.name || !made.text || (numbers && !made.value) || (title && !made.title)) {
        st = ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu labels", count);
        goto done;
    }
    char  *end = made.text;
    size_t at  = 0; /* classes so far */
    for (size_t i = 0; i < count; i++) {
        if (entry_is_new(entries, i, numbers)) {
            const int printed = numbers && !*entries[i].word;
            if (printed) snprintf(number, sizeof number, "%.15g", entries[i].value);
            const char  *name   = printed ? number : entries[i].word;
            const size_t length = strlen(name) + 1;
            made.name[at]       = memcpy(end, name, length);
            end += length;
            if (numbers) made.value[at] = entries[i].value;
            at++;
        }
        made.code[entries[i].row] = (int64_t)(at - 1);
    }
    *to  = made;
    made = (labels){0};
done:
    labels_clear(&made);
    return st;
}

ne_status labels_from_words(char *const *words, size_t count, const char *title, labels *to)
{
    entry *entries = malloc((count + 1) * sizeof *entries);
    if (!entries) return ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu labels", count);
    int numbers = 1;
    for (size_t i = 0; i < count; i++) {
        entries[i] = (entry){.word = words[i], .row = i};
        if (!csv_number(words[i], &entries[i].value) || !isfinite(entries[i].value)) numbers = 0;
    }
    const ne_status st = labels_make(entries, count, numbers, title, to);
    free(entries);
    return st;
}

ne_status labels_from_numbers(const double *numbers, size_t count, labels *to)
{
    entry *entries = malloc((count + 1) * sizeof *entries);
    if (!entries) return ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu labels", count);
    for (size_t i = 0; i < count; i++) entries[i] = (entry){"", numbers[i], i};
    const ne_status st = labels_make(entries, count, 1, NULL, to);
    free(entries);
    return st;
}

static ne_status labels_count(const char *path, size_t found, const char *data_path, size_t rows, int cut)
{
    if (found == rows || (cut && found > rows)) return NE_OK;
    ne_fail(NE_IO, "%s: %zu labels for %zu rows of %s%s", path, found, rows, data_path,
            found == rows + 1 ? "; a header line is not a label" : "");
    return NE_IO;
}

static ne_status labels_read_array(const char *path, const bytes *file, const char *data_path, size_t rows, int cut,
                                   labels *to)
{
    array     from;
    double   *numbers = NULL;
    ne_status st      = read_array(path, file, &from);
    if (st != NE_OK) goto done;
    if (array_cols(&from) != 1) {
        st = ne_fail(NE_IO, "%s: %zu numbers a row; labels are one", path, array_cols(&from));
        goto done;
    }
    st = labels_count(path, array_rows(&from), data_path, rows, cut);
    if (st != NE_OK) goto done;
    from.shape[0] = rows;
    numbers       = malloc((rows + 1) * sizeof *numbers);
    if (!numbers) {
        st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu labels", path, rows);
        goto done;
    }
    st = array_to_double(path, &from, 0, rows, numbers);
    if (st != NE_OK) goto done;
    for (size_t i = 0; i < rows; i++)
        if (!isfinite(numbers[i])) {
            st = ne_fail(NE_IO, "%s: row %zu (from 0): %g is not a label", path, i, numbers[i]);
            goto done;
        }
    st = labels_from_numbers(numbers, rows, to);
done:
    free(numbers);
    return st;
}

static ne_status labels_read_text(const char *path, bytes_source *source, const char *data_path, size_t rows, int cut,
                                  labels *to)
{
    csv_reader reader;
    size_t     count = 0;
    word_list  found = {0};
    char     **list  = NULL;
    ne_status  st    = csv_open(path, source, &reader);
    for (; st == NE_OK; count++) {
        st = csv_next(&reader);
        if (st != NE_OK || reader.count == 0) break;
        if (reader.count != 1)
            st = ne_fail(NE_IO, "%s: line %zu: %zu columns; labels are one a line", path, reader.line, reader.count);
        else if (count < rows) st = words_add(&found, path, csv_trim(reader.field[0]));
    }
    if (st == NE_OK) st = labels_count(path, count, data_path, rows, cut);
    if (st == NE_OK && !(list = words_list(&found, path))) st = NE_OUT_OF_MEMORY;
    if (st == NE_OK) st = labels_from_words(list, rows, NULL, to);
    csv_close(&reader);
    words_clear(&found);
    free(list);
    return st;
}

ne_status labels_read(const char *path, const char *data_path, size_t rows, int cut, labels *to)
{
    bytes_source source = {0};
    ne_status    st     = npz_open_array(path, &source);
    if (st != NE_OK) goto done;
    data_path = bytes_name(data_path);
    if (read_array_knows(path, &source.file)) {
        st = bytes_more(&source, SIZE_MAX);
        if (st == NE_OK) st = labels_read_array(source.name, &source.file, data_path, rows, cut, to);
    } else {
        st = labels_read_text(source.name, &source, data_path, rows, cut, to);
    }
done:
    bytes_close(&source);
    return st;
}

int labels_are_continuous(const labels *of)
{
    return of->value && of->classes > MAX_DISCRETE;
}

int labels_are_integers(const labels *of)
{
    for (size_t i = 0; i < of->classes; i++)
        if (of->value && of->value[i] != floor(of->value[i])) return 0;
    return 1;
}

void labels_clear(labels *of)
{
    free(of->code);
    free(of->name);
    free(of->value);
    free(of->title);
    free(of->text);
    *of = (labels){0};
}
