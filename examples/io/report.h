/* io/report.h: what is said about a finished fit. */
#ifndef IO_REPORT_H
#define IO_REPORT_H

#include "ne.h"

#include <stdio.h>

/** One line: method, shapes, seconds of each phase, recall of the neighbors, steps. x is the data, fitted what is left
 *  of it after a reduction. */
void report_summary(FILE *file, const char *method, const ne_embedding *embedding, const ne_dense *x,
                    const ne_dense *fitted, const ne_dense *y);

#endif
