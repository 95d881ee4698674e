module example.com/polyglot/go-service

go 1.21
