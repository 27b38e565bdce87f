/* io/csv.h: records of comma-separated text, read in place: RFC 4180, and what people make of it. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include "io/bytes.h"

/** Fields are cut out of the file's own bytes, and live as long as those do. */
typedef struct csv_reader {
    const char *path;
    char       *at;
    char        separator; /* 0: none, each line is one field */
    size_t      line;      /* from 1, where the last record began */
    size_t      next_line;
    char      **field; /* of the last record */
    size_t      count; /* 0: there was no further record */
    size_t      room;
} csv_reader;

/** The separator is a comma for .csv, a tab for .tsv and none for any other name, until csv_guess(). A byte order
 *  mark is passed over.
 *  errors   NE_IO: the file is not text. The reader may be closed after an error. */
ne_status csv_open(const char *path, bytes *file, csv_reader *reader);

/** A tab where the first line has one and no comma, else a comma: for text whose name does not tell. */
void csv_guess(csv_reader *reader);

/** Reads the next record. Lines end in LF or CRLF, empty ones are passed over; a field in double quotes may hold
 *  separators, line ends, and quotes written twice. */
ne_status csv_next(csv_reader *reader);
void      csv_close(csv_reader *reader);

/** 1 when text is one number, blanks around it aside; it may be infinite or NaN. */
int   csv_number(const char *text, double *value);
char *csv_trim(char *field); /* without the blanks around it; cuts in place */

#endif
