/* io/flags.h: a program's own flags as a table, from which they are read, suggested and printed. */
#ifndef IO_FLAGS_H
#define IO_FLAGS_H

#include "ne.h"

#include <stdio.h>

typedef enum flag_kind {
    FLAG_SWITCH,  /* an int, becomes 1; takes no value */
    FLAG_TEXT,    /* a const char *, which points into argv */
    FLAG_COUNT,   /* an int64_t, 1 or more */
    FLAG_OPTIONAL /* a const char *: "" where no value is given; see takes */
} flag_kind;

typedef struct flag {
    const char *name, *value, *help; /* value: what stands for it in the help; NULL for a switch */
    flag_kind   kind;
    size_t      offset;             /* into the program's struct of arguments */
    int (*takes)(const char *word); /* FLAG_OPTIONAL: 1 if the next word is its value and not a name of a file */
} flag;

typedef struct flag_table {
    const flag *flags;
    size_t      count;
    void       *arguments;
} flag_table;

/** What was found on a command line besides the table's flags; *at is the place in argv of the last word used. */
typedef enum flag_found {
    FLAG_OWN,   /* it was one of the table's, and is set */
    FLAG_OTHER, /* it begins with --, and is none of them */
    FLAG_DASH,  /* one dash and something after it */
    FLAG_WORD   /* it is a name */
} flag_found;

/** Reads argv[*at], and what belongs to it. *only_names becomes 1 after "--". For FLAG_OTHER, *value is what follows '='
 *  or the next word, which is then used up; NULL where there is none.
 *  errors   NE_INVALID_ARGUMENT, NE_OUT_OF_RANGE of an own flag. */
ne_status flags_read(const flag_table *table, int argc, char **argv, int *at, int *only_names, flag_found *found,
                     const char **value);

/** Letters to change between the name and the nearest flag, which may be NULL; - and _ are one letter. */
size_t flags_distance(const flag_table *table, const char *name, const flag **nearest);
/** The same of two words. */
size_t flags_word_distance(const char *a, const char *b);

/** A line for each flag, the names in a column of that width. */
void flags_help(const flag_table *table, int column, FILE *file);

#endif
