# shellcheck shell=bash
# Keys: whose updates the boards of this image believe.

# The certificate that goes into the image: the one given, or a pair for trying out, made on demand.
update_certificate() {
    [[ -n $cert ]] || try_out_keys
    openssl x509 -in "${cert:-$output/keys/update.pem}"
}

try_out_keys() {
    local keys=$output/keys
    [[ -s $keys/update.key && -s $keys/update.pem ]] && return
    mkdir -p "$keys"
    chmod 700 "$keys"
    # For good: a board without a clock must believe it too.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj '/CN=bramble updates (for trying out)' \
        -set_serial 1 -days 36500 -addext 'extendedKeyUsage=emailProtection' \
        -keyout "$keys/update.key.new" -out "$keys/update.pem"
    mv "$keys/update.key.new" "$keys/update.key"
}
