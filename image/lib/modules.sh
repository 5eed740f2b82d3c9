# shellcheck shell=bash
# The kernel's modules: a headless board needs few of them.

# Removes what image/modules.drop names, but not what a kept module depends on.
slim_modules() {
    local kernel
    kernel=$(kernel_version)
    local modules=$tree/usr/lib/modules/$kernel
    depmod -b "$tree" "$kernel"
    sed 's/ *#.*//; /^$/d' "$image/modules.drop" >"$work/modules.drop"
    (cd "$modules" && find kernel -name '*.ko*' | sort) >"$work/modules.all"
    grep -v -E -f "$work/modules.drop" "$work/modules.all" >"$work/modules.wanted"
    with_dependencies "$modules/modules.dep" <"$work/modules.wanted" >"$work/modules.kept"
    (cd "$modules" && comm -23 "$work/modules.all" "$work/modules.kept" | xargs -r rm -f && find kernel -type d -empty -delete)
    depmod -b "$tree" "$kernel"
}

# with_dependencies MODULES.DEP: paths of modules, one a line, and all they depend on; sorted.
with_dependencies() {
    awk 'NR == FNR { name = $1; sub(/:$/, "", name); $1 = ""; needs[name] = $0; next }
         { print; n = split(needs[$1], more, " "); for (i = 1; i <= n; i++) print more[i] }' "$1" - | sort -u
}
