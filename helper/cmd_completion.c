/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell completion. The scripts know nothing of commands and options: they hand
 * the words over to `tpdocker __complete` (cmd_complete.c), which looks into the
 * tables that the command line is parsed with, and show what it answers.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"

/*
 * Bash cuts words at ':' and '=' as well; those are joined again, by looking
 * whether there is a blank in front of each. What is in COMPREPLY replaces only
 * the last piece. `_docker_tpdocker` is what docker's completion of before 23 looks for;
 * a newer one asks by itself.
 */
static const char bash_script[] =
	"# bash completion of tpdocker; `tpdocker completion bash` wrote it\n"
	"_tpdocker_words() { # sets words: those up to the cursor\n"
	"    local rest=${COMP_LINE:0:COMP_POINT} next i\n"
	"    words=()\n"
	"    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
	"        next=${rest#\"${rest%%[![:space:]]*}\"}\n"
	"        if ((i == 0 || ${#next} < ${#rest})); then words+=(''); fi\n"
	"        if ((i == COMP_CWORD)); then\n"
	"            words[${#words[@]}-1]+=$next\n"
	"        else\n"
	"            words[${#words[@]}-1]+=${COMP_WORDS[i]}\n"
	"            rest=${next#\"${COMP_WORDS[i]}\"}\n"
	"        fi\n"
	"    done\n"
	"}\n"
	"_tpdocker_answer() { # PROGRAM WORD...: the last one is to be completed\n"
	"    local cur=${!#} front='' line directive=4 values=()\n"
	"    while IFS= read -r line; do\n"
	"        case $line in\n"
	"        :[0-9]*) directive=${line#:} ;;\n"
	"        *) values+=(\"${line%%$'\\t'*}\") ;;\n"
	"        esac\n"
	"    done < <(\"$1\" __complete \"${@:2}\" 2>/dev/null)\n"
	"    if [[ $cur == --*=* ]]; then\n"
	"        if [[ $COMP_WORDBREAKS != *=* ]]; then front=${cur%%=*}=; fi\n"
	"        cur=${cur#*=}\n"
	"    fi\n"
	"    COMPREPLY=()\n"
	"    for line in \"${values[@]}\"; do\n"
	"        if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then line=${line#\"${cur%\"${cur##*:}\"}\"}; fi\n"
	"        if [[ $cur != [\\'\\\"]* ]]; then printf -v line %q \"$line\"; fi\n"
	"        COMPREPLY+=(\"$front$line\")\n"
	"    done\n"
	"    if ((${#COMPREPLY[@]})); then return; fi\n"
	"    if ((directive & 16)); then\n"
	"        compopt -o dirnames\n"
	"    elif ! ((directive & 4)); then\n"
	"        compopt -o default\n"
	"    fi\n"
	"}\n"
	"_tpdocker() {\n"
	"    local words program\n"
	"    _tpdocker_words\n"
	"    program=${words[0]/#\\~\\//$HOME/}\n"
	"    type -P \"$program\" >/dev/null || program=tpdocker\n"
	"    _tpdocker_answer \"$program\" \"${words[@]:1}\"\n"
	"}\n"
	"_docker_tpdocker() {\n"
	"    local words i\n"
	"    _tpdocker_words\n"
	"    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
	"        if [[ ${words[i]} == tpdocker ]]; then _tpdocker_answer tpdocker \"${words[@]:i+1}\"; return; fi\n"
	"    done\n"
	"}\n"
	"complete -F _tpdocker tpdocker\n";

/* The same file serves $fpath, where its name is that of the function, and eval. */
static const char zsh_script[] =
	"#compdef tpdocker\n"
	"# zsh completion of tpdocker; `tpdocker completion zsh` wrote it\n"
	"_tpdocker() {\n"
	"    local -a lines shown\n"
	"    local line value program=${(Q)words[1]} directive=4\n"
	"    program=${program/#\\~\\//$HOME/}\n"
	"    whence -p $program >/dev/null || program=tpdocker\n"
	"    lines=(\"${(@f)$($program __complete \"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\" 2>/dev/null)}\")\n"
	"    for line in $lines; do\n"
	"        if [[ $line == :<-> ]]; then\n"
	"            directive=${line#:}\n"
	"            continue\n"
	"        fi\n"
	"        value=${line%%$'\\t'*}\n"
	"        shown+=(\"${value//:/\\\\:}${line[$#value + 1,-1]/$'\\t'/:}\")\n"
	"    done\n"
	"    if [[ $PREFIX == --*=* ]]; then compset -P '*='; fi\n"
	"    if (( $#shown )); then\n"
	"        _describe -t tpdocker tpdocker shown\n"
	"    elif (( directive & 16 )); then\n"
	"        _files -/\n"
	"    elif (( ! (directive & 4) )); then\n"
	"        _files\n"
	"    fi\n"
	"}\n"
	"if [[ $funcstack[1] == _tpdocker ]]; then _tpdocker \"$@\"; else compdef _tpdocker tpdocker; fi\n";

static const char fish_script[] =
	"# fish completion of tpdocker; `tpdocker completion fish` wrote it\n"
	"function __tpdocker_complete\n"
	"    set -l words (commandline -opc)\n"
	"    set -l cur (commandline -ct)\n"
	"    set -l front ''\n"
	"    set -l program (string replace -r '^~/' -- $HOME/ $words[1])\n"
	"    command -q $program; or set program tpdocker\n"
	"    set -l lines ($program __complete $words[2..-1] \"$cur\" 2>/dev/null)\n"
	"    set -l directive (string match -r '^:\\d+$' -- $lines[-1]; or echo :4)\n"
	"    if string match -q -- '--*=*' $cur\n"
	"        set front (string replace -r '=.*' = -- $cur)\n"
	"    end\n"
	"    set lines (string match -v -r '^:\\d+$' -- $lines)\n"
	"    if set -q lines[1]\n"
	"        printf '%s\\n' $front$lines\n"
	"    else if test $directive = :0\n"
	"        __fish_complete_path (string replace -- \"$front\" '' $cur) | string replace -r '^' -- \"$front\"\n"
	"    else if test $directive = :16\n"
	"        __fish_complete_directories (string replace -- \"$front\" '' $cur) '' | string replace -r '^' -- \"$front\"\n"
	"    end\n"
	"end\n"
	"complete -c tpdocker -f -a '(__tpdocker_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash", bash_script },
	{ "zsh", zsh_script },
	{ "fish", fish_script },
};

static int run_completion(int argc, char **argv, struct tp_err *err)
{
	const char *shell = argc == 2 ? argv[1] : "";

	if (!strcmp(shell, "--help")) {
		tp_cmd_usage(&tp_cmd_completion);
		return 0;
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(scripts); i++) {
		if (strcmp(scripts[i].shell, shell) != 0)
			continue;
		if (fputs(scripts[i].script, stdout) < 0 || fflush(stdout))
			return tp_err_set(err, TP_ERR_FAILED,
					  "standard output cannot be written to");
		return 0;
	}
	return tp_err_set(err, TP_ERR_USAGE, "which shell? `%s completion bash`, zsh or fish",
			  tp_program());
}

static const char *const examples[] = {
	"completion bash > ~/.local/share/bash-completion/completions/tpdocker",
	"for you, from the next shell on; `make install` has done it for everybody",
	"completion fish | source",
	"for this shell; in bash and zsh: eval \"$(tpdocker completion bash)\"",
	NULL,
};

const struct tp_cmd tp_cmd_completion = {
	.name = "completion",
	.synopsis = "bash|zsh|fish",
	.summary = "Print the completion script for a shell.",
	.examples = examples,
	.notes =
		"Besides commands and options, it completes what the cluster and the engine have:\n"
		"workloads and their containers, namespaces, contexts, images, networks. They are\n"
		"asked when the key is pressed, for less than a second.",
	.complete = "bash|zsh|fish",
	.run = run_completion,
};
