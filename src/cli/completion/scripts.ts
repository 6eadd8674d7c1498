/** The completion script of each shell, which calls `gear __complete`. */
export const scripts = {
  bash: `_gear() {
  local IFS=$'\\n'
  COMPREPLY=($(gear __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _gear gear
`,
  zsh: `#compdef gear
_gear() {
  local -a found
  found=("\${(@f)$(gear __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [ -n "\${found[1]}" ]; then compadd -a found; else _files; fi
}
if [ "$funcstack[1]" = _gear ]; then _gear "$@"; else compdef _gear gear; fi
`,
  fish: `function __gear_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (gear __complete -- $words[2..-1] 2>/dev/null)
  if set -q found[1]; printf '%s\\n' $found; else; __fish_complete_path (commandline -ct); end
end
complete -c gear -f -a '(__gear_complete)'
`,
} as const;
