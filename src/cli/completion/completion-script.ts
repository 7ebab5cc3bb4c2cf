/** Shells that a script can be had for. */
export const completedShells = ['bash', 'zsh', 'fish'] as const;

type CompletedShell = (typeof completedShells)[number];

/**
 * The script that teaches a shell our words. It knows none itself: the program under the cursor is asked for each, so that verbs, options,
 * servers and backups are always those of today.
 */
export function completionScript(shell: CompletedShell, programName: string): string {
  return scripts[shell]
    .replaceAll('PROGRAM', programName)
    .replaceAll('FUNCTION', `_${programName.replaceAll(/\W/g, '_')}_complete`);
}

const scripts: Readonly<Record<CompletedShell, string>> = {
  bash: `# bash completion of PROGRAM: eval "$(PROGRAM completion bash)", or put it into /usr/share/bash-completion/completions/PROGRAM
FUNCTION() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("\${line%%$'\\t'*}")
    done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F FUNCTION PROGRAM
`,
  zsh: `#compdef PROGRAM
# zsh completion of PROGRAM: put it into a folder of $fpath as _PROGRAM, or source it after compinit
FUNCTION() {
    local line
    local -a candidates
    while IFS= read -r line; do
        candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    done < <("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#candidates} )); then
        _describe -V 'PROGRAM' candidates
    else
        _files
    fi
}
if [[ $funcstack[1] == _PROGRAM ]]; then
    FUNCTION "$@"
else
    compdef FUNCTION PROGRAM
fi
`,
  fish: `# fish completion of PROGRAM: put it into ~/.config/fish/completions/PROGRAM.fish
function FUNCTION
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates ($typed[1] complete -- $typed[2..-1] "$current" 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\\n' $candidates
    else
        __fish_complete_path "$current"
    end
end
complete -c PROGRAM -f -a '(FUNCTION)'
`,
};
