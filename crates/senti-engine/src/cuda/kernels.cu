// The elementwise work on the card: dropout, the final states, the dense layer's bias, Adam, norm and clipping.
//
// Every kernel walks over its elements with a stride of all threads, so any grid is right; threads never meet, and each element or
// sum has one owner and one order. Sizes are 64 bits wide. Compiled by NVRTC when a network is made; no headers are needed.

typedef unsigned long long size;

#define EACH(index, n)                                                         \
    for (size index = (size)blockIdx.x * blockDim.x + threadIdx.x,             \
              stride = (size)gridDim.x * blockDim.x;                           \
         index < (n); index += stride)

// out = a * b
extern "C" __global__ void product(float *out, const float *a, const float *b, size n) {
    EACH(i, n) out[i] = a[i] * b[i];
}

// values *= factors
extern "C" __global__ void multiply(float *values, const float *factors, size n) {
    EACH(i, n) values[i] *= factors[i];
}

// values *= factor
extern "C" __global__ void scale(float *values, float factor, size n) {
    EACH(i, n) values[i] *= factor;
}

// Final state of each direction (rows, 2 * units) out of all states (steps, rows, 2 * units): the forward direction ends at the
// last step, the backward direction at the first.
extern "C" __global__ void take_final(float *out, const float *states, size steps, size rows, size units) {
    const size width = 2 * units;
    EACH(i, rows * width) {
        const size step = i % width < units ? steps - 1 : 0;
        out[i] = states[step * rows * width + i];
    }
}

// The gradient of take_final: writes all of d_states, zero but for the final states.
extern "C" __global__ void give_final(float *d_states, const float *d_final, size steps, size rows, size units) {
    const size width = 2 * units;
    EACH(i, steps * rows * width) {
        const size step = i / (rows * width);
        const size wanted = i % width < units ? steps - 1 : 0;
        d_states[i] = step == wanted ? d_final[i % (rows * width)] : 0.0f;
    }
}

// out (rows, width), every row of it the bias.
extern "C" __global__ void repeat(float *out, const float *bias, size rows, size width) {
    EACH(i, rows * width) out[i] = bias[i % width];
}

// out (width), the sums of the columns of values (rows, width).
extern "C" __global__ void sum_rows(float *out, const float *values, size rows, size width) {
    EACH(i, width) {
        float sum = 0.0f;
        for (size row = 0; row < rows; row++) sum += values[row * width + i];
        out[i] = sum;
    }
}

// Each thread leaves the sum of its own squares; the host adds those up in order.
extern "C" __global__ void sums_of_squares(double *sums, const float *values, size n) {
    double sum = 0.0;
    EACH(i, n) sum += (double)values[i] * (double)values[i];
    sums[(size)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// One step of Adam, as in src/adam.rs: p = kept * p - rate * m / (scale * sqrt(v) + epsilon).
extern "C" __global__ void adam(float *weights, const float *gradients, float *means, float *squares,
                                float beta_1, float beta_2, float rate, float scale, float epsilon, float kept, size n) {
    const float new_1 = 1.0f - beta_1, new_2 = 1.0f - beta_2;
    EACH(i, n) {
        const float g = gradients[i];
        const float m = means[i] + (g - means[i]) * new_1;
        const float v = squares[i] + (g * g - squares[i]) * new_2;
        means[i] = m;
        squares[i] = v;
        weights[i] = kept * weights[i] - rate * m / (scale * sqrtf(v) + epsilon);
    }
}
