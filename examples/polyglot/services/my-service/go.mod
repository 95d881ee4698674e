module example.com/polyglot/my-service

go 1.21
