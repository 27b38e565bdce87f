/* io/read_csv.h: a table from comma- or tab-separated text. */
#ifndef IO_READ_CSV_H
#define IO_READ_CSV_H

#include "io/bytes.h"
#include "io/table.h"

/** Reads a table, and no more of the source than the rows that are asked for.
 *  errors   NE_IO: a field that is no finite number, a line of another length; the text names line and column.
 *           NE_OUT_OF_RANGE, NE_UNKNOWN_NAME: see table_read. */
ne_status read_csv(const char *path, bytes_source *source, const table_request *request, table *to);

#endif
