package com.example.quotes;

import jakarta.validation.Valid;
import jakarta.validation.constraints.DecimalMax;
import jakarta.validation.constraints.DecimalMin;
import jakarta.validation.constraints.Digits;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import jakarta.validation.constraints.NotEmpty;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;
import java.math.BigDecimal;
import java.util.List;

/** What a customer would like a price for. Prices are in euros, without tax. */
public record Order(
        @NotNull Customer customer,
        @NotNull @Pattern(regexp = "[A-Z]{2}", message = "must be a country code of two letters")
                String country,
        @Pattern(regexp = "[A-Z0-9]{4,16}", message = "must be 4 to 16 letters and digits")
                String voucher,
        @NotEmpty @Size(max = 200) List<@Valid @NotNull Line> lines) {

    /** One article of the order. */
    public record Line(
            @NotNull @Pattern(regexp = "[A-Z0-9-]{2,32}", message = "must be 2 to 32 of A-Z, 0-9 and -")
                    String sku,
            @Min(1) @Max(100_000) int quantity,
            @NotNull @DecimalMin("0.01") @DecimalMax("1000000") @Digits(integer = 7, fraction = 2)
                    BigDecimal unitPrice) {}
}
