/* io/arguments.h: the command line of ne_embed. */
#ifndef IO_ARGUMENTS_H
#define IO_ARGUMENTS_H

#include "ne.h"

#include <stdio.h>

/** --NAME VALUE, for the library: the program knows no option of a method by itself. */
typedef struct method_option {
    char       *name; /* as the library spells it: max_iter */
    const char *value;
} method_option;

typedef struct arguments {
    const char    *input, *output, *method, *labels, *plot, *label_column, *id_column; /* NULL: not given */
    int64_t        rows, pca, threads;                                                 /* 0: not given */
    int            standardize, score, quiet, help, version;
    method_option *options;
    size_t         option_count;
} arguments;

/** Reads the command line; what it keeps points into argv.
 *  errors   NE_INVALID_ARGUMENT, NE_OUT_OF_RANGE, NE_OUT_OF_MEMORY. */
ne_status arguments_parse(int argc, char **argv, arguments *to);
/** What must hold when neither help nor version is asked for: INPUT, OUTPUT and their names. */
ne_status arguments_check(const arguments *from);
/** Hands the method's options to the embedding. errors: the library's, and its text. */
ne_status arguments_apply(const arguments *from, ne_embedding *embedding);
void      arguments_clear(arguments *of);

/** The method where none is given. */
const char *arguments_default_method(void);

/** General help, or with --method the options of that method. */
void arguments_help(FILE *file);
void arguments_help_method(FILE *file, const char *method, const ne_embedding *embedding);

#endif
