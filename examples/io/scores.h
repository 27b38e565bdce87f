/* io/scores.h: the scores that programs print, by name. */
#ifndef IO_SCORES_H
#define IO_SCORES_H

#include "io/labels.h"
#include "ne.h"

#include <stdio.h>

typedef struct scores_request {
    ne_context         *context;
    const char         *names;      /* "kl,silhouette"; "": all that can be had */
    const char         *prefix;     /* before each line, or "" */
    const ne_embedding *embedding;  /* of whose fit kl is taken, or NULL: */
    double              perplexity; /* then kl is that of an entropic affinity of x; 0: 30 */
    const ne_dense     *x;          /* NULL where the data is sparse */
    const ne_csr       *sparse;     /* in place of x */
    const ne_dense     *y;
    const labels       *classes; /* may have no rows */
    size_t              k;       /* neighbors; 0: 15 */
    size_t              sample;  /* rows that trustworthiness and silhouette look at; 0: 5,000 and 20,000 */
} scores_request;

/** 1 if each part of a comma list is the name of a score, or what TorchDR calls it. */
int scores_are_named(const char *list);
/** The same, with the error text: NE_UNKNOWN_NAME and the nearest name. */
ne_status scores_check(const char *list);
/** What can be told before any work. errors: NE_INVALID_ARGUMENT: one that was asked for by name needs labels, and there
 *  are none or no whole numbers or words; or it needs the rows of the data, and these are sparse. */
ne_status scores_check_data(const char *list, const labels *classes, int is_sparse);
/** A line for each score. */
void scores_help(int column, FILE *file);

/** A line "name value (what it is of)" for each score. Of those not asked for by name, the ones that need labels, more
 *  rows, rows that are not sparse or a method with such an affinity are left out. */
ne_status scores_print(const scores_request *request, FILE *file);

#endif
