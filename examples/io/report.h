/* io/report.h: what is said about a finished fit. */
#ifndef IO_REPORT_H
#define IO_REPORT_H

#include "io/labels.h"
#include "ne.h"

#include <stdio.h>

/** One line: method, shapes, seconds of each phase, recall of the neighbors, steps. x is the data, fitted what is left
 *  of it after a reduction. */
void report_summary(FILE *file, const char *method, const ne_embedding *embedding, const ne_dense *x,
                    const ne_dense *fitted, const ne_dense *y);

/** A line "name value (what it is of)" for each score that this fit has; x is the data before any reduction. */
ne_status report_scores(FILE *file, ne_context *context, const ne_embedding *embedding, const ne_dense *x,
                        const ne_dense *y, const labels *classes);

#endif
