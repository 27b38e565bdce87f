/* io/write.c: coordinates into a .npy or .csv file. Errors stay in the stream, where outfile_close() finds them. */
#include "io/write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    NPY_ALIGN = 64,
    NPY_HEAD  = 10,
    NPY_TEXT  = 192
};

void write_npy(FILE *file, const coordinates *what)
{
    char      text[NPY_TEXT];
    const int used = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }",
                              what->rows, what->cols);
    /* Blanks and a line end fill the header up, so that the numbers begin at a multiple of 64. */
    const size_t length = ((size_t)used + 1 + NPY_HEAD + NPY_ALIGN - 1) / NPY_ALIGN * NPY_ALIGN - NPY_HEAD;
    memset(text + used, ' ', length - (size_t)used);
    text[length - 1] = '\n';

    fwrite("\x93NUMPY\x01\x00", 1, NPY_HEAD - 2, file);
    fputc((int)(length & 255), file);
    fputc((int)(length >> 8), file);
    fwrite(text, 1, length, file);
    for (size_t i = 0; i < what->rows * what->cols; i++) {
        uint32_t raw;
        memcpy(&raw, what->y + i, sizeof raw);
        const unsigned char number[4] = {(unsigned char)raw, (unsigned char)(raw >> 8), (unsigned char)(raw >> 16),
                                         (unsigned char)(raw >> 24)};
        fwrite(number, 1, sizeof number, file);
    }
}

static void csv_write_text(FILE *file, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"') fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void csv_write_number(FILE *file, float number)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) { /* 9 digits tell any two floats apart */
        snprintf(text, sizeof text, "%.*g", digits, (double)number);
        if (strtof(text, NULL) == number) break;
    }
    fputs(text, file);
}

void write_csv(FILE *file, const coordinates *what)
{
    const labels *given = what->labels && what->labels->count ? what->labels : NULL;
    if (what->ids) fputs("id,", file);
    if (given) fputs("label,", file);
    for (size_t j = 0; j < what->cols; j++) {
        if (what->cols <= 3) fprintf(file, "%c", "xyz"[j]);
        else fprintf(file, "x%zu", j + 1);
        fputc(j + 1 < what->cols ? ',' : '\n', file);
    }
    for (size_t i = 0; i < what->rows; i++) {
        if (what->ids) {
            csv_write_text(file, what->ids[i]);
            fputc(',', file);
        }
        if (given) {
            csv_write_text(file, given->name[given->code[i]]);
            fputc(',', file);
        }
        for (size_t j = 0; j < what->cols; j++) {
            csv_write_number(file, what->y[i * what->cols + j]);
            fputc(j + 1 < what->cols ? ',' : '\n', file);
        }
    }
}
