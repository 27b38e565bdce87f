/* io/csv.h: records of comma-separated text, read in place: RFC 4180, and what people make of it. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include "io/bytes.h"

/** Reads on as records are asked for, so that neither the memory nor the work is that of the whole file. */
typedef struct csv_reader {
    const char   *path;
    bytes_source *source;
    size_t        at;        /* in source->file: where the next record begins */
    char          separator; /* 0: none, each line is one field */
    size_t        line;      /* from 1, where the last record began */
    size_t        next_line;
    char        **field; /* of the last record, cut out of the source's bytes: until the next one is read */
    size_t        count; /* 0: there was no further record */
    size_t        room;
    int           ended; /* 1: the source has no more bytes */
} csv_reader;

/** The separator is a comma for .csv, a tab for .tsv and none for any other name, until csv_guess(). A byte order
 *  mark is passed over. The source, from which nothing may have been dropped, has to outlive the reader.
 *  errors   NE_IO: the file is not text. The reader may be closed after an error. */
ne_status csv_open(const char *path, bytes_source *source, csv_reader *reader);

/** A tab where the first line has one and no comma, else a comma: for text whose name does not tell. */
void csv_guess(csv_reader *reader);

/** Reads the next record. Lines end in LF or CRLF, empty ones are passed over; a field in double quotes may hold
 *  separators, line ends, and quotes written twice.
 *  errors   NE_IO: quotes that are not closed, text behind them, bytes that are 0; what the source says. */
ne_status csv_next(csv_reader *reader);
void      csv_close(csv_reader *reader);

/** 1 when text is one number, blanks around it aside; it may be infinite or NaN. */
int   csv_number(const char *text, double *value);
char *csv_trim(char *field); /* without the blanks around it; cuts in place */

#endif
