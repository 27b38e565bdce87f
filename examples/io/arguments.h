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
    const char    *input, *output, *method, *skip, *labels, *plot, *label_column, *id_column; /* NULL: not given */
    const char    *score;                      /* NULL: not given; "": all; else a list of names */
    int64_t        rows, pca, sample, threads; /* 0: not given */
    int            standardize, stream, dense, quiet, help, version;
    method_option *options;
    size_t         option_count;
} arguments;

/** Reads the command line; what it keeps points into argv.
 *  errors   NE_INVALID_ARGUMENT, NE_OUT_OF_RANGE, NE_OUT_OF_MEMORY. */
ne_status arguments_parse(int argc, char **argv, arguments *to);
/** What must hold when neither help nor version is asked for: INPUT, OUTPUT and their names. OUTPUT may be missing where
 *  there is a picture to write. */
ne_status arguments_check(const arguments *from);
/** Hands each option to those of the embeddings that have it.
 *  errors   the library's, and its text; NE_UNKNOWN_NAME for an option that none of them has. */
ne_status arguments_apply(const arguments *from, ne_embedding *const *embeddings, size_t count);
void      arguments_clear(arguments *of);

/** Refuses a file to write that holds the data or the labels. errors: NE_INVALID_ARGUMENT. */
ne_status arguments_check_output(const arguments *from, const char *path);

/** The method where none is given. */
const char *arguments_default_method(void);

/** General help, or with --method the options of that method. */
void arguments_help(FILE *file);
void arguments_help_method(FILE *file, const char *method, const ne_embedding *embedding);

#endif
