// SPDX-License-Identifier: Apache-2.0
// What a language runtime calls. It believes nothing of what it is told but that it comes from us:
// an unknown name or a bad number is refused.
#include "sandbox/lib.h"
#include "sandbox/jail.h"

#include <stdio.h>

void rouse_jail_prepare(void)
{
    jail_prepare(JAIL_LANGUAGE);
}

int rouse_jail_fork(int template)
{
    return (int)jail_fork(template ? JAIL_TEMPLATE : JAIL_INSTANCE);
}

int rouse_jail_libraries(int network_open, char *report, size_t report_size)
{
    struct err err = {0};
    int rc = jail_libraries(network_open != 0, &err);
    snprintf(report, report_size, "%s", err.text);
    return rc < 0 ? -1 : rc;
}

static int number_take(struct str value, uint64_t most, uint64_t *ret)
{
    return str_to_u64(value, ret) && *ret <= most ? 0 : ERR_INVALID;
}

static int path_take(struct str value, struct str *paths, size_t *count, size_t most)
{
    if (*count == most || value.size == 0 || value.at[0] != '/') {
        return ERR_INVALID;
    }
    paths[(*count)++] = value;
    return 0;
}

static int field_take(struct jail *jail, struct str name, struct str value)
{
    uint64_t port = 0;
    size_t package = 0;
    if (str_eq(name, STR("role"))) {
        jail->role = str_eq(value, STR("template")) ? JAIL_TEMPLATE : JAIL_INSTANCE;
    } else if (str_eq(name, STR("package"))) {
        return path_take(value, &jail->package, &package, 1);
    } else if (str_eq(name, STR("layer"))) {
        return path_take(value, jail->layers, &jail->layer_count, JAIL_LAYERS_MAX);
    } else if (str_eq(name, STR("read"))) {
        return path_take(value, jail->readable, &jail->readable_count, JAIL_PATHS_MAX);
    } else if (str_eq(name, STR("tmp"))) {
        return number_take(value, 1ull << 40, &jail->tmp_size);
    } else if (str_eq(name, STR("memory"))) {
        return number_take(value, 1ull << 50, &jail->memory_size);
    } else if (str_eq(name, STR("network"))) {
        jail->network_open = str_eq(value, STR("open"));
    } else if (str_eq(name, STR("port"))) {
        int rc = number_take(value, 65535, &port);
        jail->port = (int)port;
        return rc;
    } else {
        return ERR_INVALID;
    }
    return 0;
}

static int config_take(const char *config, struct jail *jail, struct err *err)
{
    for (struct str rest = str_of(config); rest.at && rest.size;) {
        struct str line = str_cut(&rest, '\n');
        struct str value = line;
        struct str name = str_cut(&value, '=');
        if (line.size && (!value.at || field_take(jail, name, value) < 0)) {
            return err_set(err, ERR_INVALID, "the walls cannot be: " STR_FMT, STR_ARG(line));
        }
    }
    return 0;
}

int rouse_jail_enter(const char *config, char *report, size_t report_size)
{
    struct jail jail = {.kind = JAIL_LANGUAGE, .role = JAIL_INSTANCE};
    struct jail_report got = {0};
    struct err err = {0};
    if (config_take(config, &jail, &err) < 0 || jail_enter(&jail, &got, &err) < 0) {
        snprintf(report, report_size, "%s", err.text);
        return -1;
    }
    char names[256];
    jail_names(got.missing, names, sizeof names);
    snprintf(report, report_size, "missing=%s\nwhy=%s\nroot=%d\nlisten=%d\n", names, got.why,
             got.root ? 1 : 0, got.listen_fd);
    return 0;
}
