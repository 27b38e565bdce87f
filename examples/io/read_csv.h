/* io/read_csv.h: a table from comma- or tab-separated text. */
#ifndef IO_READ_CSV_H
#define IO_READ_CSV_H

#include "io/bytes.h"
#include "io/table.h"

/** Reads a table; takes the file's bytes over where ids point into them, and cuts fields out of them in any case.
 *  errors   NE_IO: a field that is no finite number, a line of another length; the text names line and column.
 *           NE_OUT_OF_RANGE, NE_UNKNOWN_NAME: see table_read. */
ne_status read_csv(const char *path, bytes *file, const table_request *request, table *to);

#endif
