// SPDX-License-Identifier: Apache-2.0
// The parser of multipart/form-data. It looks for the delimiter in what has arrived and lets go of
// everything that cannot be part of one.
#include "api/s3_form.h"
#include "base/mem.h"

#define HEADERS_MAX 8192 // bytes of one part's headers
#define WINDOW_MAX  (512 * 1024)

static int malformed(struct err *err, const char *what)
{
    return err_aws(err, ERR_INVALID, "MalformedPOSTRequest",
                   "The body of your POST request is not well-formed multipart/form-data: %s",
                   what);
}

// A parameter of a header such as `form-data; name="a; b"`. False when it is absent.
static bool header_param(struct str header, const char *name, struct str *ret)
{
    while (header.at) {
        ptrdiff_t end = -1;
        bool quoted = false;
        for (size_t i = 0; i < header.size && end < 0; i++) {
            quoted ^= header.at[i] == '"' && (i == 0 || header.at[i - 1] != '\\');
            end = header.at[i] == ';' && !quoted ? (ptrdiff_t)i : -1;
        }
        struct str value = end < 0 ? header : str_head(header, (size_t)end);
        header = end < 0 ? (struct str){0} : str_skip(header, (size_t)end + 1);
        struct str found = str_trim(str_cut(&value, '='));
        if (!value.at || !str_eq_nocase(found, str_of(name))) {
            continue;
        }
        value = str_trim(value);
        if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"') {
            value = str_head(str_skip(value, 1), value.size - 2);
        }
        *ret = value;
        return true;
    }
    return false;
}

int s3_form_init(struct s3_form *form, struct str content_type, struct err *err)
{
    *form = (struct s3_form){.window = BUF_INIT(WINDOW_MAX)};
    struct str rest = content_type, boundary = {0};
    struct str type = str_trim(str_cut(&rest, ';'));
    if (!str_eq_nocase(type, STR("multipart/form-data")) ||
        !header_param(rest, "boundary", &boundary) || !boundary.size ||
        boundary.size > S3_FORM_BOUNDARY_MAX) {
        return err_aws(err, ERR_INVALID, "PreconditionFailed",
                       "Bucket POST must be of the enclosure-type multipart/form-data");
    }
    form->delimiter_size = (size_t)snprintf(form->delimiter, sizeof form->delimiter,
                                            "\r\n--" STR_FMT, STR_ARG(boundary));
    buf_add_text(&form->window, "\r\n"); // so that the first delimiter is like the others
    return 0;
}

void s3_form_done(struct s3_form *form)
{
    for (size_t i = 0; i < form->field_count; i++) {
        free(form->fields[i].name);
        free(form->fields[i].value);
    }
    form->field_count = 0;
    buf_done(&form->window);
    free(MOVE(form->name));
    free(MOVE(form->file_name));
}

struct str s3_form_get(const struct s3_form *form, const char *name)
{
    for (size_t i = 0; i < form->field_count; i++) {
        const struct s3_form_field *field = &form->fields[i];
        if (strcasecmp(field->name, name) == 0) {
            return str_n(field->value, field->value_size);
        }
    }
    return (struct str){0};
}

// Drops the first `size` bytes of the window.
static void window_drop(struct s3_form *form, size_t size)
{
    memmove(form->window.at, form->window.at + size, form->window.size - size);
    form->window.size -= size;
    form->window.at[form->window.size] = 0;
}

static int field_add(struct s3_form *form, struct str value, struct err *err)
{
    form->fields_size += strlen(form->name) + value.size;
    if (form->field_count == S3_FORM_FIELD_MAX || form->fields_size > S3_FORM_FIELDS_SIZE_MAX) {
        return err_aws(err, ERR_LIMIT, "MaxPostPreDataLengthExceededError",
                       "Your POST request fields preceding the upload file were too large.");
    }
    form->fields[form->field_count++] =
        (struct s3_form_field){MOVE(form->name), str_dup(str_not_null(value)), value.size};
    return 0;
}

// The headers of a part: all that counts is in Content-Disposition.
static int headers_read(struct s3_form *form, struct str headers, struct err *err)
{
    struct str name = {0}, file_name = {0};
    while (headers.at) {
        struct str line = str_trim(str_cut(&headers, '\n'));
        struct str header = str_trim(str_cut(&line, ':'));
        if (str_eq_nocase(header, STR("Content-Disposition")) &&
            !header_param(line, "name", &name)) {
            return malformed(err, "a part has no name");
        }
        if (str_eq_nocase(header, STR("Content-Disposition"))) {
            (void)header_param(line, "filename", &file_name);
        }
    }
    if (!name.at) {
        return malformed(err, "a part has no Content-Disposition");
    }
    free(form->name);
    form->name = str_dup(name);
    if (form->had_file) {
        form->state = S3_FORM_SKIP;
        return 0;
    }
    if (strcasecmp(form->name, "file") != 0) {
        form->state = S3_FORM_FIELD;
        return 0;
    }
    form->had_file = true;
    form->file_name = str_dup(str_not_null(file_name));
    form->state = S3_FORM_FILE;
    return form->on_file(form->ctx, err);
}

// After a delimiter: "--" ends the form, CRLF begins a part. 1: understood; 0: more is needed.
static int headers_step(struct s3_form *form, struct err *err)
{
    struct str window = buf_str(&form->window);
    if (window.size < 2) {
        return 0;
    }
    if (str_starts(window, STR("--"))) {
        form->state = S3_FORM_DONE;
        return 1;
    }
    if (!str_starts(window, STR("\r\n"))) {
        return malformed(err, "a delimiter is not followed by a line's end");
    }
    ptrdiff_t end = str_find_str(window, STR("\r\n\r\n"));
    if (end < 0) {
        return window.size > HEADERS_MAX ? malformed(err, "the headers of a part are too long") : 0;
    }
    CLEAN_MEM char *headers = str_dup(str_head(window, (size_t)end));
    window_drop(form, (size_t)end + 4);
    TRY(headers_read(form, str_of(headers), err));
    return 1;
}

static int content_take(struct s3_form *form, struct str data, bool whole, struct err *err)
{
    if (form->state == S3_FORM_FILE) {
        return data.size ? form->on_data(form->ctx, data, err) : 0;
    }
    if (form->state == S3_FORM_FIELD && whole) {
        return field_add(form, data, err);
    }
    return 0;
}

// Content up to the next delimiter. 1: it was found; 0: more is needed.
static int content_step(struct s3_form *form, struct err *err)
{
    struct str window = buf_str(&form->window);
    ptrdiff_t end = str_find_str(window, str_n(form->delimiter, form->delimiter_size));
    if (end >= 0) {
        TRY(content_take(form, str_head(window, (size_t)end), true, err));
        window_drop(form, (size_t)end + form->delimiter_size);
        form->state = S3_FORM_HEADERS;
        return 1;
    }
    if (form->state == S3_FORM_FIELD) {
        return window.size > S3_FORM_FIELDS_SIZE_MAX + form->delimiter_size
                   ? field_add(form, window, err)
                   : 0;
    }
    if (window.size >= form->delimiter_size) { // keep what may be the begin of a delimiter
        size_t free_size = window.size - form->delimiter_size + 1;
        TRY(content_take(form, str_head(window, free_size), false, err));
        window_drop(form, free_size);
    }
    return 0;
}

int s3_form_feed(struct s3_form *form, struct str piece, struct err *err)
{
    while (piece.size && form->state != S3_FORM_DONE) {
        struct str part = str_head(piece, WINDOW_MAX / 2);
        piece = str_skip(piece, part.size);
        buf_add_str(&form->window, part);
        if (!buf_ok(&form->window)) {
            return malformed(err, "a part is too long");
        }
        int rc = 1;
        while (rc == 1 && form->state != S3_FORM_DONE) {
            rc = form->state == S3_FORM_HEADERS ? headers_step(form, err) : content_step(form, err);
        }
        TRY(rc);
    }
    return 0;
}

int s3_form_end(struct s3_form *form, struct err *err)
{
    if (form->state != S3_FORM_DONE) {
        return malformed(err, "it ends before its last delimiter");
    }
    if (!form->had_file) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "POST requires exactly one file upload per request.");
    }
    return 0;
}
