#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make demo` runs: a server of its own in a temporary folder, a model deployed as a function,
# pictures uploaded to a bucket, the answers read from another, and the instances watched as they go.
# Needs nothing but a built rouse and a POSIX shell.
#
#     examples/demo.sh                                    # the digits of examples/digits
#     MODEL=file.onnx IMAGES='*.jpg' examples/demo.sh     # a model and pictures of your own; also:
#       LABELS=file       one class name per line
#       PRESET=imagenet   how pictures are prepared (imagenet, imagenet-caffe, none, …)
#       SPEC=model.yaml   the whole description of input and output, instead of PRESET and LABELS
#     KEEP=1              leaves the temporary folder where it is
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${ROUSE_BUILD:-$here/../build}
build=$(cd "$build" 2>/dev/null && pwd) || {
    echo "demo: no build folder; run make first" >&2
    exit 1
}
rouse=$build/rouse
MODEL=${MODEL:-} IMAGES=${IMAGES:-} LABELS=${LABELS:-} PRESET=${PRESET:-} SPEC=${SPEC:-}

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m')
    green=$(printf '\033[32m') plain=$(printf '\033[0m')
fi

say() { printf '%s\n' "$*"; }
step() { printf '%s%s%s\n' "$bold" "$*" "$plain"; }

# ---- start and end -------------------------------------------------------------------------------

temp='' server=''

finish() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -n "$server" ] && kill "$server" 2>/dev/null; then
        wait "$server" 2>/dev/null || true
    fi
    if [ -n "$temp" ]; then
        if [ -n "${KEEP:-}" ]; then
            say "kept in $temp"
        else
            rm -rf "$temp"
        fi
    fi
    exit "$status"
}

die() {
    printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
    if [ -s "$temp/server.log" ]; then
        echo "the last lines of the server's log:" >&2
        tail -n 15 "$temp/server.log" | sed 's/^/    /' >&2
    fi
    exit 1
}

# patiently SECONDS COMMAND…: tries every 50 ms until it succeeds; fails after SECONDS.
patiently() {
    until=$(($(date +%s) + $1))
    shift
    while ! "$@"; do
        [ "$(date +%s)" -le "$until" ] || return 1
        sleep 0.05
    done
}

server_address() {
    kill -0 "$server" 2>/dev/null || die "the server did not start"
    address=$(grep -o '127\.0\.0\.1:[1-9][0-9]*' "$temp/server.log" | head -n 1)
    [ -n "$address" ]
}

start_server() {
    unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3 \
        AWS_ENDPOINT_URL_LAMBDA ROUSE_CONFIG
    XDG_CONFIG_HOME=$temp/config # no settings but those below
    export XDG_CONFIG_HOME
    "$rouse" serve --listen 127.0.0.1:0 --data "$temp/data" --idle 2s --template-idle 3s --retry-delay 1s \
        >"$temp/server.log" 2>&1 &
    server=$!
    patiently 10 server_address || die "the server does not say where it listens"
    eval "$("$rouse" env --data "$temp/data")"
    AWS_ENDPOINT_URL=http://$address
    export AWS_ENDPOINT_URL
}

# ---- what is deployed ----------------------------------------------------------------------------

use_digits() {
    cp -R "$here/digits/." "$temp/project"
    labels=$temp/project/labels.txt
    function=digits input=digits-input output=digits-results
}

write_model_yaml() {
    echo "task: image-classification"
    echo "model: model.onnx"
    if [ -n "$LABELS" ]; then
        echo "labels: labels.txt"
    fi
    printf 'topK: 3\nsoftmax: auto\ninput:\n  preset: %s\n' "${PRESET:-imagenet}"
}

use_own() {
    [ -r "$MODEL" ] || die "cannot read the model $MODEL"
    [ -n "$IMAGES" ] || die "MODEL is set, IMAGES is not: say IMAGES='*.jpg'"
    function=demo input=demo-input output=demo-results
    mkdir -p "$temp/project"
    cp "$MODEL" "$temp/project/model.onnx"
    labels=/dev/null
    if [ -n "$LABELS" ]; then
        [ -r "$LABELS" ] || die "cannot read the labels $LABELS"
        cp "$LABELS" "$temp/project/labels.txt"
        labels=$temp/project/labels.txt
    fi
    if [ -n "$SPEC" ]; then
        sed 's/^model:.*/model: model.onnx/' "$SPEC" >"$temp/project/model.yaml"
    else
        write_model_yaml >"$temp/project/model.yaml"
    fi
    cat >"$temp/project/serverless.yml" <<END
service: demo
provider:
  name: aws
  runtime: onnx
  memorySize: 1024
  timeout: 30
functions:
  $function:
    name: $function
    handler: model.yaml
    events:
      - s3: $input
    destinations:
      onSuccess: arn:aws:s3:::$output/answers/
END
}

# Fills the list of pictures, $temp/pictures: number, path.
list_pictures() {
    if [ -z "$IMAGES" ]; then
        IMAGES="$here/digits/images/*"
    fi
    old_ifs=$IFS
    IFS='
'
    # shellcheck disable=SC2086 # the pattern is meant to expand; spaces in it are its own
    set -- $IMAGES
    IFS=$old_ifs
    if [ ! -e "$1" ]; then
        # shellcheck disable=SC2086 # several patterns
        set -- $IMAGES
    fi
    [ -e "$1" ] || die "no picture matches $IMAGES"
    count=0
    for picture in "$@"; do
        if [ -f "$picture" ]; then
            count=$((count + 1))
            printf '%d\t%s\n' "$count" "$picture"
        fi
    done >"$temp/pictures"
    count=$(wc -l <"$temp/pictures")
    [ "$count" -gt 0 ] || die "no picture matches $IMAGES"
}

# ---- upload, wait, read --------------------------------------------------------------------------

# upload NUMBER PATH: the key is NUMBER/name, so that equal names in two folders stay apart.
upload() {
    name=$(basename "$2" | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9._\n-' _)
    case $name in *.jpeg) name=${name%.jpeg}.jpg ;; esac
    "$rouse" put "$2" "s3://$input/$1/$name" </dev/null >/dev/null 2>"$temp/put" ||
        die "cannot upload $2: $(cat "$temp/put")"
}

list_answers() {
    "$rouse" ls "s3://$output/answers/" 2>/dev/null | awk 'NF { print $NF }' >"$temp/listed" || true
}

answers_at_least() {
    list_answers
    [ "$(wc -l <"$temp/listed")" -ge "$1" ]
}

# Answers are JSON documents: one file each in $temp/answers.
fetch_answers() {
    mkdir -p "$temp/answers"
    while read -r key; do
        key=${key#"s3://$output/"}
        key=answers/${key#answers/}
        to=$temp/answers/$(printf %s "$key" | tr -c 'A-Za-z0-9._-' _)
        if [ ! -s "$to" ]; then
            "$rouse" get "s3://$output/$key" - </dev/null >"$to"
            echo >>"$to"
        fi
    done <"$temp/listed"
}

# Joins pictures, answers (by the number in the object's key) and REPORT lines (by request id) into
# $temp/rows: number, file, class, confidence, tier, milliseconds.
join_rows() {
    "$rouse" logs -f "$function" >"$temp/log" 2>/dev/null || true
    awk '
        function text(from, name,    at, part) { # the first string called name at or after from
            part = substr(all, from)
            if (!match(part, "\"" name "\"[ \t]*:[ \t]*\"([^\"\\\\]|\\\\.)*\"")) { return "" }
            part = substr(part, RSTART, RLENGTH)
            sub("^\"" name "\"[ \t]*:[ \t]*\"", "", part)
            return substr(part, 1, length(part) - 1)
        }
        function number(from, name,    part) {
            part = substr(all, from)
            if (!match(part, "\"" name "\"[ \t]*:[ \t]*[-+0-9.eE]+")) { return "" }
            part = substr(part, RSTART, RLENGTH)
            sub("^.*:[ \t]*", "", part)
            return part
        }
        function answered(    id, key, at) {
            id = text(index(all, "\"requestContext\""), "requestId")
            at = index(all, "\"object\"")
            key = text(at, "key")
            sub("/.*", "", key)
            sub("%2[Ff].*", "", key)
            at = index(all, "\"responsePayload\"")
            class[key] = text(at, "label")
            if (class[key] == "") { class[key] = number(at, "class_id") }
            share[key] = number(at, "confidence")
            request[key] = id
        }
        FILENAME ~ /\/log$/ {
            if (match($0, /REPORT RequestId: [^ \t]+/)) {
                id = substr($0, RSTART + 18, RLENGTH - 18)
                ms[id] = 0
                count = split($0, part, "\t")
                for (i = 1; i <= count; i++) {
                    value = part[i]
                    sub(/^[^:]*: */, "", value)
                    if (part[i] ~ /^Tier:/) { tier[id] = value }
                    if (part[i] ~ /^(Init )?Duration:/) { ms[id] += value }
                }
            }
            next
        }
        FILENAME ~ /\/pictures$/ {
            split($0, part, "\t")
            file[++pictures] = part[2]
            sub(".*/", "", file[pictures])
            next
        }
        FNR == 1 && all != "" { answered(); all = "" }
        { all = all $0 " " }
        END {
            if (all != "") { answered() }
            for (i = 1; i <= pictures; i++) {
                id = request[i]
                printf "%d\t%s\t%s\t%s\t%s\t%s\n", i, file[i], class[i], share[i], tier[id], ms[id]
            }
        }
    ' "$temp/log" "$temp/pictures" "$temp/answers"/* >"$temp/rows"
}

# print_rows FIRST LAST: the table's lines; the truth is what a file name says before its first "-".
print_rows() {
    awk -F '\t' -v first="$1" -v last="$2" -v wide="$wide" -v green="$green" -v red="$red" \
        -v dim="$dim" -v plain="$plain" '
        FILENAME ~ /labels/ { known[$0] = 1; next }
        $1 < first || $1 > last { next }
        {
            truth = $2
            sub(/[-_.].*/, "", truth)
            mark = note = ""
            if ($3 == "") {
                printf "  %-" wide "s  %sno answer%s\n", $2, red, plain
                next
            }
            if (truth in known) {
                mark = truth == $3 ? green : red
                note = truth == $3 ? "" : "  is " truth
            }
            paint = $5 == "hot" ? dim : ""
            printf "  %-" wide "s  %s%-16.16s%s %9.1f %%  %s%-5s%s %9.1f%s\n", $2, mark, $3, plain,
                100 * $4, paint, $5 == "" ? "?" : $5, plain, $6, red note plain
        }
    ' "$labels" "$temp/rows"
}

print_head() {
    wide=$(awk -F '\t' '
        { sub(".*/", "", $2); if (length($2) > wide) { wide = length($2) } }
        END { print (wide < 12 ? 12 : wide > 40 ? 40 : wide) }' "$temp/pictures")
    printf "\n  %s%-${wide}s  %-16s %11s  %-5s %9s%s\n" "$bold" file class confidence tier ms "$plain"
}

print_accuracy() {
    awk -F '\t' '
        FILENAME ~ /labels/ { known[$0] = 1; next }
        { truth = $2; sub(/[-_.].*/, "", truth) }
        truth in known { all++; right += truth == $3 }
        END { if (all) { printf "\n  %d of %d right, as far as the file names tell\n", right, all } }
    ' "$labels" "$temp/rows"
}

# ---- back to zero --------------------------------------------------------------------------------

# The server's totals come first in what it says of itself; a function's follow.
ask_server() {
    "$rouse" info --json 2>/dev/null | tr -d ' \n' | sed 's/"functions":.*//' >"$temp/info" || true
}

count_instances() {
    ask_server
    instances=$(sed 's/.*"instances":\([0-9]*\).*/\1/' "$temp/info")
    case $instances in '' | *[!0-9]*) instances=0 ;; esac
}

resident() {
    kill -0 "$server" 2>/dev/null || die "the server is gone"
    awk '/^VmRSS:/ { printf "%.1f MB", $2 / 1024 }' "/proc/$server/status"
}

none_left() {
    count_instances
    if [ "$instances" != "$before" ]; then
        say "  instances: $instances"
        before=$instances
    fi
    [ "$instances" -eq 0 ]
}

# Nothing of the function runs any more, not even a template.
nothing_warm() {
    ask_server
    grep -q '"templates":0' "$temp/info"
}

watch_to_zero() {
    before=none
    patiently 20 none_left || die "instances are still there after 20 seconds"
}

# ---- the demo ------------------------------------------------------------------------------------

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ -x "$rouse" ] || die "$rouse is not there; run make first"
temp=$(mktemp -d "${TMPDIR:-/tmp}/rouse-demo.XXXXXX")

if [ -n "$MODEL" ]; then
    use_own
else
    use_digits
fi
list_pictures

step "1. A server and a function"
start_server
say "  listening on $AWS_ENDPOINT_URL, $(resident) resident"
(cd "$temp/project" && "$rouse" deploy) >"$temp/deploy.log" 2>&1 || {
    sed 's/^/    /' "$temp/deploy.log" >&2
    die "rouse deploy failed"
}
say "  deployed $function: what is put into s3://$input is classified, answers go to s3://$output"
count_instances
say "  instances: $instances"
say ""

step "2. $count pictures"
print_head
number=0
while IFS='	' read -r number picture; do
    upload "$number" "$picture"
    if [ "$number" -eq 1 ]; then # alone: it finds nothing running
        patiently 10 answers_at_least 1 || true
        fetch_answers
        join_rows
        print_rows 1 1
    fi
done <"$temp/pictures"
if ! patiently 10 answers_at_least "$count"; then
    say "  ${red}some pictures have no answer${plain}; the function's last words:"
    "$rouse" logs -f "$function" | grep -v 'START\|END\|REPORT' | tail -n 5 | sed 's/^/    /' || true
fi
fetch_answers
join_rows
if [ "$count" -gt 1 ]; then
    print_rows 2 "$count"
fi
print_accuracy
say "  ${dim}ms: the run, and the start where one was needed. cold: from disk; cool and warm: forked"
say "  from the template of the runtime or of the function; hot: an instance was idle.${plain}"
say ""

step "3. Nothing to do: back to zero"
watch_to_zero
say "  the server keeps $(resident)"
say ""

step "4. Once more, from nothing"
patiently 20 nothing_warm || die "templates are still there after 20 seconds"
say "  the templates have gone as well: this start is cold"
picture=$(head -n 1 "$temp/pictures" | cut -f 2)
had=$(wc -l <"$temp/listed")
again=$((count + 1))
printf '%d\t%s\n' "$again" "$picture" >>"$temp/pictures"
upload "$again" "$picture"
patiently 20 answers_at_least $((had + 1)) || die "no answer"
fetch_answers
join_rows
print_rows "$again" "$again"
watch_to_zero
