/* io/labels.h: one label a row, as words or as numbers, turned into classes 0, 1, ... in ascending order. */
#ifndef IO_LABELS_H
#define IO_LABELS_H

#include "ne.h"

typedef struct labels {
    size_t   count;   /* rows; 0: there are no labels */
    size_t   classes; /* distinct labels */
    int64_t *code;    /* count: the class of each row */
    char   **name;    /* classes: the label as it was written, as text */
    double  *value;   /* classes: the label as a number; NULL where some label is a word */
    char    *title;   /* what the labels are called, or NULL */
    char    *text;    /* where names stand */
} labels;

/** Labels are numbers when each of the words is a finite number, which then sort by value and not by letters. */
ne_status labels_from_words(char *const *words, size_t count, const char *title, labels *to);
ne_status labels_from_numbers(const double *numbers, size_t count, labels *to);

/** Labels from a file: .npy or IDX with one number a row, or text with one word or number a line. There must be as many
 *  as the rows of data_path; where cut is not 0, as many or more, and the first ones are taken.
 *  errors   NE_IO, NE_UNSUPPORTED; the text names the line or both counts. */
ne_status labels_read(const char *path, const char *data_path, size_t rows, int cut, labels *to);

/** 1 for numbers of which there are too many for a colour each: they are drawn on a scale. */
int  labels_are_continuous(const labels *of);
int  labels_are_integers(const labels *of);
void labels_clear(labels *of);

#endif
